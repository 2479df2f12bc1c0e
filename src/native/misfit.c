/* Saying why arguments do not fit a plan. */
#include "native.h"

static const char *reason(gy_fit fit)
{
    switch (fit) {
    case GY_MISFIT_TYPE: return "its type is not the one the plan was compiled for";
    case GY_MISFIT_BUFFER: return "it does not export a buffer";
    case GY_MISFIT_FORMAT: return "its element type differs or is not in native byte order";
    case GY_MISFIT_RANK: return "its number of axes differs";
    case GY_MISFIT_INNER: return "its trailing axes are not those of the element type, without gaps";
    case GY_MISFIT_READONLY: return "it is read-only and the kernel writes it";
    case GY_MISFIT_ALIGNMENT: return "its data is not aligned to its element type";
    case GY_MISFIT_STRIDE: return "the stride of its last axis is not the one the plan was compiled for";
    case GY_MISFIT_VALUE: return "its value is out of range for the parameter";
    default: return "it does not fit";
    }
}

void gy_raise_misfit(gy_fit fit, int which, const GyPlan *plan)
{
    switch (fit) {
    case GY_FITS:
        break;
    case GY_MISFIT_MEMORY:
        PyErr_NoMemory();
        break;
    case GY_MISFIT_COUNT:
        PyErr_Format(PyExc_TypeError, "the plan takes %d arguments", plan->param_count);
        break;
    case GY_MISFIT_WIDTH:
        PyErr_Format(PyExc_TypeError, "the shape and arrays do not belong to a plan of %d-bit indices",
                     plan->index_bits);
        break;
    case GY_MISFIT_OVERLAP:
        if (which >= 0)
            PyErr_Format(PyExc_TypeError, "argument %d overlaps another array and the plan forbids it", which);
        else
            PyErr_SetString(PyExc_TypeError, "the plan is for overlapping arrays and these do not overlap");
        break;
    case GY_MISFIT_SHAPE:
        PyErr_SetString(PyExc_OverflowError, "the shape has more work items than a 64-bit count holds");
        break;
    case GY_MISFIT_COUNTS:
        PyErr_SetString(PyExc_TypeError, "the plan is for launches of another number of threads");
        break;
    case GY_MISFIT_GRID:
        PyErr_Format(PyExc_TypeError, "the plan is for grids %s the device's limit",
                     plan->folded ? "over" : "within");
        break;
    default:
        PyErr_Format(PyExc_TypeError, "argument %d does not fit the plan: %s", which, reason(fit));
    }
}
