// The signing desk: digests are computed here, from the bytes fetched here; a key never leaves what holds it.
import * as batch from "./signing/batch";
import * as desk from "./signing/desk";
import * as means from "./signing/means";
import * as trial from "./signing/trial";

batch.start();
desk.start();
trial.start();
means.start();
