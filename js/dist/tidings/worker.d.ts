/** Serves all tabs, in a SharedWorker of their name. */
export declare function serveTabs(): void;
