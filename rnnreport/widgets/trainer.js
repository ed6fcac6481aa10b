// Where a training of the page runs: in a worker made from the widget's own script, so that the page stays at ease; or,
// where a browser refuses that, on the page's own thread in short turns.
//
// A training is { turn(milliseconds), ask(question), end() }. turn() goes on for about so long and returns what the page
// gets to know, with `done` when there is nothing left to do; ask() answers a question about the network as it is, and
// end() says what turn() would say at the end.

const IN_WORKER = 50; // milliseconds of a turn, after which the page hears of it
const ON_PAGE = 8;

/** Runs one training after the other: receive(message), of { start: settings }, { rest }, { ask }, { stop } and { close }. */
function host(open, post, milliseconds) {
  let [training, rests, run] = [undefined, false, 0];
  const pause = (time) => new Promise((resolve) => setTimeout(resolve, time)); // in which messages come in
  function close() {
    run++;
    training = undefined;
  }
  async function receive(message) {
    if ("close" in message) return close();
    if ("rest" in message) rests = message.rest;
    if ("ask" in message && training) post({ answer: training.ask(message.ask) });
    if ("stop" in message && training) {
      run++;
      post({ ...training.end(), done: true });
    }
    if (!("start" in message)) return;
    const mine = ++run;
    training = open(message.start);
    do {
      while (rests && mine === run) await pause(IN_WORKER);
      if (mine !== run) return;
      const news = training.turn(milliseconds);
      post(news);
      if (news.done) return;
      await pause(0);
    } while (mine === run);
  }
  return (message) =>
    receive(message).catch((error) => {
      close();
      post({ failed: `The computation ended: ${error.message}.`, done: true });
    });
}

/** In a worker, serves the page that made it; elsewhere does nothing. open: settings => training. */
export function serve(open) {
  if (typeof WorkerGlobalScope === "undefined" || !(self instanceof WorkerGlobalScope)) return;
  const receive = host(open, (news) => self.postMessage(news), IN_WORKER);
  self.onmessage = ({ data }) => receive(data);
}

/** A module as a classic script: to a page from file:// Chromium refuses a worker that is a module. */
const asScript = (source) =>
  `(() => { "use strict";\n${source.replace(/^export default .*$/gm, "").replace(/^export /gm, "")}\n})();`;

/**
 * A place for trainings, of which it runs one at a time: { send(message), end() }. onNews hears what they say.
 *
 * source: the widget's script, which calls serve(open). While the page is hidden, or is left, nothing is computed.
 */
export function trainer(source, open, onNews) {
  let [worker, local, unheard] = [undefined, undefined, []];
  const address = URL.createObjectURL(new Blob([asScript(source)], { type: "text/javascript" }));
  const onPage = () => {
    worker?.terminate();
    worker = undefined;
    URL.revokeObjectURL(address);
    local = host(open, onNews, ON_PAGE);
    for (const message of unheard) local(message);
  };
  try {
    worker = new Worker(address);
    worker.onmessage = ({ data }) => {
      unheard = undefined;
      URL.revokeObjectURL(address);
      onNews(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (unheard) onPage(); // it never came to life
      else onNews({ failed: `The computation ended: ${event.message}.`, done: true });
    };
  } catch {
    onPage();
  }
  const send = (message) => {
    if (local) return void local(message);
    unheard?.push(message);
    worker?.postMessage(message);
  };
  let isPaused = false;
  const seen = () => send({ rest: document.hidden || isPaused });
  const left = (event) => (event.persisted ? send({ rest: true }) : end()); // to a kept page the reader may come back
  document.addEventListener("visibilitychange", seen);
  window.addEventListener("pagehide", left);
  window.addEventListener("pageshow", seen);
  function end() {
    local?.({ close: true });
    worker?.terminate();
    URL.revokeObjectURL(address);
    [worker, local, unheard] = [undefined, undefined, undefined];
    document.removeEventListener("visibilitychange", seen);
    window.removeEventListener("pagehide", left);
    window.removeEventListener("pageshow", seen);
  }
  const pause = (paused) => {
    isPaused = paused;
    seen();
  };
  if (document.hidden) seen();
  return { send, pause, end };
}
