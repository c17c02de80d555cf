// The lead page alone, before a gateway that a test scripts; `window.lead` is the page. Assembled by lead_screen.py.

import { browserOutside } from "../../ghl_real_estate_ai/live_client/enterprisehub_live.js";
import { Answers } from "../../ghl_real_estate_ai/streamlit_components/assets/live_actions.js";
import { GatewayApi } from "../../ghl_real_estate_ai/streamlit_components/assets/live_api.js";
import { LeadPage } from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead.js";
import { LiveTeam } from "../../ghl_real_estate_ai/streamlit_components/assets/live_team.js";
import { SnoozeMenu } from "../../ghl_real_estate_ai/streamlit_components/assets/live_now.js";
import { Toast } from "../../ghl_real_estate_ai/streamlit_components/assets/live_toast.js";

const outside = browserOutside();
const root = document.querySelector(".hub");
const toastNode = root.querySelector("[data-ref=toast]");
const toast = new Toast(toastNode, { outside });
const api = new GatewayApi({ apiUrl: "", session: { token: "a token" }, outside, signedOut: () => (window.signedOut = true) });
const team = new LiveTeam({ api, outside, userId: "u-dana", changed: () => window.lead?.refresh() });
const now = () => window.leadsNow ?? outside.now(); // a test may set the leads' own time
const answers = new Answers({
  api,
  outside,
  team,
  now,
  current: () => undefined,
  changed: () => window.lead.refresh(),
  tell: (text, undo) => toast.show(text, undo),
});
const menu = new SnoozeMenu(root, { now, answers });
const deps = { api, team, answers, menu, outside, user: { user_id: "u-dana" }, toast: toastNode, now, closed: () => (window.wasClosed = true) };
window.lead = new LeadPage(root.querySelector("dialog"), deps);
team.start();
