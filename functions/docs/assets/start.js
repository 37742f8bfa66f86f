"use strict";

// Not versioned in its address: the page of the version before finds the document of this one.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "/api/schema/",
  deepLinking: true,
  filter: true,
  tryItOutEnabled: true,
  // Nothing is sent to a validator elsewhere.
  validatorUrl: null,
});
