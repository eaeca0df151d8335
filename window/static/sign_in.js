// A link may carry the token behind its #, which no server and no log ever sees: it is sent once, and the link forgotten.
const shown = new URLSearchParams(location.hash.slice(1));
const form = document.getElementById("sign-in");
if (form && shown.get("token")) {
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.token.value = shown.get("token");
  form.submit();
}
