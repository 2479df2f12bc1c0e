// The benchmark kernels in ISPC, each over a range of the work: threads take ranges (see threads.cpp).

typedef const uniform float source_t;

export void ispc_saxpy(uniform float a, source_t x[], uniform float y[], uniform int begin, uniform int end) {
  foreach (i = begin ... end)
    y[i] = a * x[i] + y[i];
}

static inline float normal_cdf(float x) {
  float size = abs(x), k = 1.f / (1.f + 0.2316419f * abs(x));
  float series = 0.31938153f + k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)));
  float upper = 1.f - 0.39894228f * exp(-size * size * 0.5f) * k * series;
  return x < 0 ? 1.f - upper : upper;
}

export void ispc_black_scholes(source_t spot[], source_t strike[], source_t years[], uniform float call[],
                               uniform float put[], uniform float rate, uniform float volatility, uniform int begin,
                               uniform int end) {
  foreach (i = begin ... end) {
    float s = spot[i], t = years[i], e = strike[i];
    float root = volatility * sqrt(t);
    float d1 = (log(s / e) + (rate + .5f * volatility * volatility) * t) / root;
    float d2 = d1 - root;
    float discounted = e * exp(-rate * t);
    call[i] = s * normal_cdf(d1) - discounted * normal_cdf(d2);
    put[i] = discounted * normal_cdf(-d2) - s * normal_cdf(-d1);
  }
}

export void ispc_mandelbrot(uniform int counts[], uniform int width, uniform int height, uniform int max_iterations,
                            uniform int begin, uniform int end) {
  for (uniform int row = begin; row < end; row++)
    foreach (column = 0 ... width) {
      float cx = -2.f + column * (3.f / width), cy = -1.f + row * (2.f / height);
      float zx = cx, zy = cy;
      int count = 0;
      for (; count < max_iterations; count++) {
        if (zx * zx + zy * zy > 4.f)
          break;
        float x = zx * zx - zy * zy, y = 2.f * zx * zy;
        zx = cx + x;
        zy = cy + y;
      }
      counts[row * width + column] = count;
    }
}

export void ispc_nbody(source_t x[], source_t y[], source_t z[], source_t vx[], source_t vy[], source_t vz[],
                       source_t mass[], uniform float ax[], uniform float ay[], uniform float az[],
                       uniform float px[], uniform float py[], uniform float pz[], uniform float softening,
                       uniform float step, uniform int n, uniform int begin, uniform int end) {
  foreach (i = begin ... end) {
    float sx = 0, sy = 0, sz = 0;
    float xi = x[i], yi = y[i], zi = z[i];
    for (uniform int j = 0; j < n; j++) {
      float dx = x[j] - xi, dy = y[j] - yi, dz = z[j] - zi;
      float inverse = rsqrt(dx * dx + dy * dy + dz * dz + softening);
      float weight = mass[j] * inverse * inverse * inverse;
      sx += dx * weight;
      sy += dy * weight;
      sz += dz * weight;
    }
    ax[i] = sx;
    ay[i] = sy;
    az[i] = sz;
    px[i] = xi + (vx[i] + sx * step) * step;
    py[i] = yi + (vy[i] + sy * step) * step;
    pz[i] = zi + (vz[i] + sz * step) * step;
  }
}

export void ispc_stencil(source_t source[], uniform float target[], uniform int n, uniform int begin,
                         uniform int end) {
  for (uniform int i = begin; i < end; i++)
    foreach (j = 1 ... n - 1)
      target[i * n + j] = 0.5f * source[i * n + j] + 0.125f * (source[(i - 1) * n + j] + source[(i + 1) * n + j] +
                                                               source[i * n + j - 1] + source[i * n + j + 1]);
}

// Four running sums, as an ISPC programmer writes a reduction; the range is a multiple of 4 gangs.
export uniform float ispc_total(source_t x[], uniform int begin, uniform int end) {
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  uniform int gang = programCount;
  for (uniform int i = begin; i < end; i += 4 * gang) {
    s0 += x[i + programIndex];
    s1 += x[i + gang + programIndex];
    s2 += x[i + 2 * gang + programIndex];
    s3 += x[i + 3 * gang + programIndex];
  }
  return reduce_add(s0 + s1 + s2 + s3);
}

export void ispc_matmul(source_t left[], source_t right[], uniform float product[], uniform int n,
                        uniform int begin, uniform int end) {
  for (uniform int i = begin; i < end; i++)
    foreach (j = 0 ... n) {
      float dot = 0;
      for (uniform int k = 0; k < n; k++)
        dot += left[i * n + k] * right[k * n + j];
      product[i * n + j] = dot;
    }
}
