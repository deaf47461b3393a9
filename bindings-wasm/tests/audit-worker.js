import { load, serveAudits } from "../js/snapshot.js";

serveAudits(load);
