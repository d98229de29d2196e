// Shows the documents of the APIs that this address leads to: one of a single process, both behind a gateway.
const known = [
  { name: "Reads (query API)", url: "openapi/query-api.json" },
  { name: "Writes (command API)", url: "openapi/command-api.json" },
];
const answers = ({ url }) => fetch(url, { method: "HEAD" }).then((answer) => answer.ok, () => false);

Promise.all(known.map(answers)).then((found) => {
  SwaggerUIBundle({
    dom_id: "#page",
    urls: known.filter((_, number) => found[number]),
    layout: "StandaloneLayout",
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    deepLinking: true,
    validatorUrl: null,
  });
});
