// The sign-in page: password and code go to the API, and the token that comes back opens the console. It is kept nowhere.
"use strict";

const element = (id) => document.getElementById(id);
const STEPS = ["password-step", "code-step", "setup-step", "recovery-step"];
let mfaToken = null;
let access = null;
let password = null;

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

const sentence = ({ body, wait }) => {
  const fields = (body.errors || []).map((error) => error.message).join(" ");
  const again = wait === null ? "" : ` Try again in ${wait} seconds.`;
  return (fields || body.detail || "Something went wrong.") + again;
};

const enter = async () => {
  const answer = await call("/admin/session/", {});
  if (answer.ok) {
    access = null;
    location.assign("/admin");
    return;
  }
  if (answer.body.code === "second_factor_required") {
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
  complain(sentence(answer));
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
  access = null;
  const answer = await call("/api/accounts/login/", { email: form.get("email"), password });
  if (answer.ok) {
    access = answer.body.tokens.access;
    await enter();
  } else if (answer.body.code === "mfa_required") {
    password = null;
    mfaToken = answer.body.mfa_token;
    element("password").value = "";
    show("code-step", "code");
  } else {
    complain(sentence(answer));
  }
});

onSubmit("code-step", async (form) => {
  const typed = form.get("code").trim();
  const proof = /^[0-9 ]{6,7}$/.test(typed) ? { code: typed.replace(" ", "") } : { recovery_code: typed };
  const answer = await call("/api/accounts/login/second-factor/", { mfa_token: mfaToken, ...proof });
  if (answer.ok) {
    access = answer.body.tokens.access;
    await enter();
    return;
  }
  complain(sentence(answer));
  if (answer.body.code === "mfa_token_not_valid") show("password-step", "password");
});

onSubmit("setup-step", async (form) => {
  const answer = await call("/api/accounts/second-factor/confirm/", { code: form.get("code").trim() });
  if (!answer.ok) {
    complain(sentence(answer));
    return;
  }
  for (const code of answer.body.recovery_codes) {
    const entry = document.createElement("li");
    entry.textContent = code;
    element("recovery-codes").append(entry);
  }
  show("recovery-step", "recovery");
});

element("recovery-done").addEventListener("click", () => {
  enter().catch(() => complain("The service cannot be reached. Try again."));
});
