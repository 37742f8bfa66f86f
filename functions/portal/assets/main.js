// Starts the client.
document.getElementById("main").append(`There is no page at ${location.pathname} yet.`);
