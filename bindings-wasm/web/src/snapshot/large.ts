// The large module's JavaScript, in the script that brings its bytes: those who only lint load neither.

import { load } from "../../../js/snapshot.js";

globalThis.k8sencLarge = load;
