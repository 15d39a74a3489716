/** The parts that are loaded when they are used; build.js puts their addresses at a hub here. */
/** What stores something in the browser. */
export declare const storage: () => Promise<typeof import("./outbox.js")>;
/** Who is present at a topic. */
export declare const presence: () => Promise<typeof import("./presence.js")>;
