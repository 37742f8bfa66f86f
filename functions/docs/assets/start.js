"use strict";

// ?operations=all shows the operations of staff, too.
const all = new URLSearchParams(location.search).get("operations") === "all";

// Not versioned in its address: the page of the version before finds the document of this one.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: all ? "/api/schema/?operations=all" : "/api/schema/",
  deepLinking: true,
  filter: true,
  tryItOutEnabled: true,
  // Nothing is sent to a validator elsewhere.
  validatorUrl: null,
});
