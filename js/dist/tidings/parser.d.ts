export type Block = {
    type: string;
    data: string;
    id: string;
};
/**
 * Returns a function that parses the bytes of one event stream, cut anywhere (WHATWG HTML, sections 9.2.5 and 9.2.6). It returns the last event ID.
 *
 * @param {(block: Block) => void} dispatch @param {(ms: number) => void} reconnect Gets the reconnection times.
 * @returns {(bytes: Uint8Array) => string}
 */
export declare function parser(dispatch: (block: Block) => void, reconnect: (ms: number) => void): (bytes: Uint8Array) => string;
/** @param {string} text @returns {any} */
export declare function parse(text: string): any;
