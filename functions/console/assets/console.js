// The sign-in page: password and code go to the API, and the token that comes back opens the console. It is kept nowhere.
// The token of the device is kept in a cookie: with it, failed sign-ins of others do not lock this device out. It signs nobody in.
"use strict";

const element = (id) => document.getElementById(id);
const STEPS = ["password-step", "code-step", "link-step", "setup-step", "recovery-step"];
let mfaToken = null;
let access = null;
let password = null;
let email = null;

const DEVICE = "__Secure-device";

const deviceToken = () => {
  const pair = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${DEVICE}=`));
  return pair === undefined ? {} : { device_token: pair.slice(DEVICE.length + 1) };
};

const remember = (token) => {
  if (token === undefined) return;
  document.cookie = `${DEVICE}=${token}; Path=/admin/sign-in; Max-Age=15552000; Secure; SameSite=Strict`;
};

const show = (step, focus) => {
  for (const id of STEPS) element(id).hidden = id !== step;
  element(focus).focus();
};

const complain = (text) => {
  element("problem").textContent = text;
  element("problem").hidden = text === "";
};

const call = async (path, body) => {
  const headers = { "Content-Type": "application/json" };
  if (access !== null) headers.Authorization = `Bearer ${access}`;
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" });
  const text = await response.text();
  return { ok: response.ok, status: response.status, body: text === "" ? {} : JSON.parse(text), wait: response.headers.get("Retry-After") };
};

// Too many attempts of others have failed: the owner of the address goes on with a mail.
const offerLink = ({ body }) => {
  element("link-offer").hidden = !["sign_in_link_required", "second_factor_locked"].includes(body.code);
};

const sentence = ({ body, wait }) => {
  const fields = (body.errors || []).map((error) => error.message).join(" ");
  const again = wait === null ? "" : ` Try again in ${wait} seconds.`;
  return (fields || body.detail || "Something went wrong.") + again;
};

const enter = async () => {
  const response = await call("/admin/session/", {});
  if (response.ok) {
    access = null;
    location.assign("/admin");
    return;
  }
  if (response.body.code === "second_factor_required") {
    const setup = await call("/api/accounts/second-factor/setup/", { password });
    password = null;
    if (setup.ok) {
      element("secret").textContent = setup.body.secret;
      element("otpauth").textContent = setup.body.otpauth_url;
      show("setup-step", "first-code");
      return;
    }
    complain(sentence(setup));
    return;
  }
  // Whoever has no business here is not left signed in.
  await call("/api/accounts/logout/", {});
  access = null;
  complain(sentence(response));
};

// A form that is being sent cannot be sent again, and its errors are told.
const onSubmit = (id, work) => {
  element(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    complain("");
    try {
      await work(new FormData(event.target));
    } catch {
      complain("The service cannot be reached. Try again.");
    }
    button.disabled = false;
  });
};

onSubmit("password-step", async (form) => {
  password = form.get("password");
  email = form.get("email");
  access = null;
  const response = await call("/api/accounts/login/", { email, password, ...deviceToken() });
  offerLink(response);
  if (response.ok) {
    remember(response.body.device_token);
    access = response.body.tokens.access;
    await enter();
  } else if (response.body.code === "mfa_required") {
    password = null;
    mfaToken = response.body.mfa_token;
    element("password").value = "";
    show("code-step", "code");
  } else {
    complain(sentence(response));
  }
});

onSubmit("code-step", async (form) => {
  const typed = form.get("code").trim();
  const proof = /^[0-9 ]{6,7}$/.test(typed) ? { code: typed.replace(" ", "") } : { recovery_code: typed };
  const response = await call("/api/accounts/login/second-factor/", { mfa_token: mfaToken, ...proof });
  offerLink(response);
  if (response.ok) {
    remember(response.body.device_token);
    access = response.body.tokens.access;
    await enter();
    return;
  }
  complain(sentence(response));
  if (response.body.code === "mfa_token_not_valid") show("password-step", "password");
});

element("send-link").addEventListener("click", async () => {
  element("link-offer").hidden = true;
  complain("");
  try {
    const response = await call("/api/accounts/login/link/", { email });
    if (response.ok) show("link-step", "link-token");
    else complain(sentence(response));
  } catch {
    complain("The service cannot be reached. Try again.");
  }
});

onSubmit("link-step", async (form) => {
  const response = await call("/api/accounts/login/link/confirm/", { token: form.get("token").trim() });
  if (!response.ok) {
    complain(sentence(response));
    return;
  }
  remember(response.body.device_token);
  show("password-step", "password");
});

onSubmit("setup-step", async (form) => {
  const response = await call("/api/accounts/second-factor/confirm/", { code: form.get("code").trim() });
  if (!response.ok) {
    complain(sentence(response));
    return;
  }
  for (const code of response.body.recovery_codes) {
    const entry = document.createElement("li");
    entry.textContent = code;
    element("recovery-codes").append(entry);
  }
  show("recovery-step", "recovery");
});

element("recovery-done").addEventListener("click", () => {
  enter().catch(() => complain("The service cannot be reached. Try again."));
});
