// Predicts with ONNX Runtime.
//
//   node predict_with_onnxruntime.js NODE_MODULES JOBS
//
// JOBS is a JSON file: a list of {"model": path, "inputs": {name: list of numbers or texts}}; null is
// NaN. Prints a list of {output: list of values}, in JSON; each value stands in a row of its own.
'use strict';
const fs = require('fs');
const path = require('path');
const {InferenceSession, Tensor} = require(path.join(process.argv[2], 'onnxruntime-node'));

async function predict(job) {
  const session = await InferenceSession.create(job.model);
  const feeds = {};
  for (const name of session.inputNames) {
    const values = job.inputs[name];
    if (values === undefined) throw new Error(`no values for the input ${name}`);
    const text = values.some((value) => typeof value === 'string');
    feeds[name] = text
      ? new Tensor('string', values, [values.length, 1])
      : new Tensor('float64', Float64Array.from(values, (value) => value ?? NaN), [values.length, 1]);
  }
  const results = await session.run(feeds);
  const outputs = {};
  for (const name of session.outputNames) {
    const {data, dims} = results[name];
    if (dims.length !== 2 || dims[1] !== 1) throw new Error(`${name} is ${dims}, and not one column`);
    outputs[name] = Array.from(data);
  }
  return outputs;
}

(async () => {
  const answers = [];
  for (const job of JSON.parse(fs.readFileSync(process.argv[3], 'utf8'))) answers.push(await predict(job));
  process.stdout.write(JSON.stringify(answers));
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
