// Reads {"package": where Dawn for Node is, "texts": WGSL texts, "features": names} on standard input and writes,
// as JSON, per text what Tint says against it, or null.
import { readFileSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const request = JSON.parse(readFileSync(0, 'utf8'));
const { create } = await import(pathToFileURL(request.package));
globalThis.gpu = create(['backend=null']);  // Dawn dies with it, also when it is collected under way.
const adapter = await globalThis.gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: request.features });

async function complaint(code) {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code });
    const error = await device.popErrorScope();
    if (!error) return null;
    const { messages } = await module.getCompilationInfo();
    const lines = code.split('\n');
    return messages.filter((m) => m.type === 'error')
        .map((m) => `${m.lineNum}:${m.linePos} ${m.message}\n    ${lines[m.lineNum - 1] ?? ''}`).join('\n');
}

const found = [];
for (const text of request.texts) found.push(await complaint(text));
writeSync(1, JSON.stringify(found));
process.exit(0);  // Dawn keeps threads
