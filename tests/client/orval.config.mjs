// Schemas of zod for all bodies: `CreateRecordBody` and `CreateRecordResponse` of the operation `create_record`.
const parts = { body: true, response: true, header: false, param: false, query: false };

export default {
  document: {
    input: { target: "../../functions/docs/openapi.json" },
    output: { client: "zod", mode: "single", target: "./schemas.ts", override: { zod: { generate: parts } } },
  },
};
