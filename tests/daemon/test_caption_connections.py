"""The page's own ends of its connections, with the test in the daemon's place."""

from tests.daemon.browser import Chromium
from tests.daemon.showing import needs_chromium, opened

pytestmark = needs_chromium

SCRIPTED = """
    class Scripted {
        static OPEN = 1;
        static all = [];
        readyState = 0;
        bufferedAmount = 0;
        sent = [];
        constructor(url) {
            this.url = url.replace(/^.*?\\/\\/[^/]*/, "");
            Scripted.all.push(this);
        }
        send(what) { this.sent.push(typeof what === "string" ? JSON.parse(what) : what.length); }
        close(code) { this.readyState = 3; this.code = code; }
        hello() { this.readyState = 1; this.onopen(); }
        say(event) { this.onmessage({ data: JSON.stringify(event) }); }
        drop(code = 1006) { this.readyState = 3; this.onclose({ code }); }
    }
    window.WebSocket = Scripted;
    window.line = (number) => new Promise((done) => {
        const look = () => {
            const found = Scripted.all[number];
            found ? (found.hello(), done(found)) : setTimeout(look, 10);
        };
        look();
    });
    window.speaking = async () => {
        const { Session } = await import("/web/session.js");
        const told = [];
        const session = new Session({
            address: () => "ws://nowhere/",
            start: { rate: 1000 },
            tell: (news) => told.push(news),
        });
        session.open();
        return { session, told, first: await line(0) };
    };
    window.watching = async (session) => {
        const { Watcher } = await import("/web/watch.js");
        const texts = [];
        const tell = ({ event }) => event?.type === "final" && texts.push(event.text);
        const watcher = new Watcher({ session, tell });
        Scripted.all.length = 0; // the overlay's own
        watcher.open();
        return { texts, first: await line(0) };
    };
    window.begin = { type: "watching", session: "s", label: "", channels: 1 };
    window.final = (seq, segment, text) => ({ type: "final", seq, segment, text });
    window.ready = { type: "ready", seq: 0, models: ["general"], token: "t", resume_s: 60 };
"""


async def test_kept_audio_is_found_by_its_position_and_lost_audio_is_silence(
    browser: Chromium,
) -> None:
    async with opened(browser) as (_, shown):
        found = await shown.js("""(async () => {
            const { Tape } = await import("/web/tape.js");
            const tape = new Tape();
            tape.append(new Int16Array([1, 2, 3]));
            tape.append(new Int16Array([4, 5]));
            const from = (at) => { const some = tape.from(at); return some && [...some]; };
            const all = [from(0), from(2), from(3), from(5)];
            tape.drop(2);
            const kept = [tape.start, tape.end, from(2)];
            const lost = tape.keepLast(1);
            return [all, kept, lost, from(1), from(4)];
        })()""")
        assert found == [[[1, 2, 3], [3], [4, 5], None], [2, 5, [3]], 2, [0, 0, 0], [5]]


async def run(browser: Chromium, script: str) -> object:
    """Run the body of an async function on the page, with sockets that it plays the daemon on."""
    async with opened(browser, "/overlay") as (_, shown):
        await shown.js(SCRIPTED)
        return await shown.js(f"(async () => {{ {script} }})()")


async def test_a_resumed_session_sends_what_the_daemon_lacks_and_hears_nothing_twice(
    browser: Chromium,
) -> None:
    found = await run(
        browser,
        """
        const { session, told, first } = await speaking();
        first.say(ready);
        session.append(new Int16Array(100));
        session.append(new Int16Array(100));
        first.say({ type: "final", seq: 1, segment: 0, text: "do", start: 0, end: 0.05 });
        first.say({ type: "acknowledged", seq: 2, samples: 60 });
        first.drop();
        session.append(new Int16Array(100));
        const second = await line(1);
        second.say({ type: "resumed", seq: 2, samples: 150 });
        second.say({ type: "final", seq: 1, segment: 0, text: "do", start: 0, end: 0.05 });
        second.say({ type: "final", seq: 5, segment: 1, text: "re", start: 0.1, end: 0.2 });
        session.stop();
        const texts = told.filter(({ event }) => event?.type === "final").map((t) => t.event.text);
        return [first.sent, second.sent, texts, session.state];
        """,
    )
    assert found == [
        [{"type": "start", "rate": 1000}, 100, 100],
        [{"type": "resume", "token": "t", "seq": 2}, 50, 100, {"type": "stop"}],
        ["do", "re"],
        "stopping",
    ]


async def test_another_session_takes_what_no_final_covers_with_times_of_the_whole(
    browser: Chromium,
) -> None:
    found = await run(
        browser,
        """
        const { session, told, first } = await speaking();
        first.say(ready);
        session.append(new Int16Array(500));
        first.say({ type: "final", seq: 1, segment: 0, text: "do", start: 0.1, end: 0.4 });
        first.drop();
        const second = await line(1);
        second.say({ type: "error", seq: 0, code: "not_resumable", fatal: true, message: "gone" });
        second.say({ type: "closed", seq: 1, reason: "refused" });
        const third = await line(2);
        third.say({ ...ready, token: "u" });
        third.say({ type: "final", seq: 1, segment: 0, text: "re", start: 0.02, end: 0.08 });
        const last = told.findLast(({ event }) => event?.type === "final").event;
        return [third.sent, Math.round(1000 * last.start), Math.round(1000 * last.end)];
        """,
    )
    assert found == [[{"type": "start", "rate": 1000}, 100], 420, 480]


async def test_a_connection_that_says_nothing_any_more_counts_as_broken(browser: Chromium) -> None:
    found = await run(
        browser,
        """
        const { session, told, first } = await speaking();
        first.say(ready);
        const now = performance.now.bind(performance);
        performance.now = () => now() + 30_000;
        const second = await line(1);
        return [first.code, second.sent, told.some(({ state }) => state === "broken")];
        """,
    )
    assert found == [4000, [{"type": "resume", "token": "t", "seq": 0}], True]


async def test_a_recogniser_that_fails_again_and_again_ends_the_session(browser: Chromium) -> None:
    found = await run(
        browser,
        """
        const { session, told } = await speaking();
        setTimeout = ((later) => (what, ms) => later(what, Math.min(ms, 10)))(setTimeout);
        for (let number = 0; number < 5; number += 1) {
            const next = number === 0 ? Scripted.all[0] : await line(number);
            next.say(ready);
            next.say({ type: "error", seq: 1, code: "recogniser_failed", fatal: true });
            next.say({ type: "closed", seq: 2, reason: "failed" });
        }
        const { state, reason, error } = told.at(-1);
        return [state, reason, error.code, Scripted.all.length];
        """,
    )
    assert found == ["closed", "failed", "recogniser_failed", 5]


async def test_audio_that_nobody_took_for_too_long_is_given_up_and_counted(
    browser: Chromium,
) -> None:
    found = await run(
        browser,
        """
        const { session, told, first } = await speaking();
        first.say({ ...ready, token: null });
        first.drop();
        for (let second = 0; second < 40; second += 1) {
            session.append(new Int16Array(1000));
        }
        const lost = told.reduce((sum, { lostS }) => sum + (lostS ?? 0), 0);
        return [lost, session.waitingS];
        """,
    )
    assert found == [10, 30]


async def test_a_viewer_who_was_too_slow_takes_what_is_left_and_nothing_twice(
    browser: Chromium,
) -> None:
    found = await run(
        browser,
        """
        const { texts, first } = await watching("s");
        first.say(begin);
        first.say(final(1, 0, "do"));
        first.say(final(4, 1, "re"));
        first.drop();
        const second = await line(1);
        second.drop(1013);
        const third = await line(2);
        third.say(begin);
        third.say(final(4, 1, "re"));
        third.say(final(9, 3, "fa"));
        return [second.url, third.url, texts];
        """,
    )
    assert found == ["/watch/s?after=4", "/watch/s", ["do", "re", "fa"]]


async def test_a_daemon_that_counts_from_the_beginning_is_understood(browser: Chromium) -> None:
    found = await run(
        browser,
        """
        const { texts, first } = await watching("live");
        first.say(begin);
        first.say(final(8, 2, "do"));
        first.drop();
        const second = await line(1);
        second.say(begin);
        second.say(final(0, 2, "do"));
        second.say(final(1, 3, "re"));
        second.say({ type: "closed", seq: 2, reason: "stopped" });
        const third = await line(2);
        third.say({ ...begin, session: "t" });
        third.say(final(0, 0, "mi"));
        return [first.url, second.url, third.url, texts];
        """,
    )
    assert found == ["/watch/live", "/watch/s?after=8", "/watch/live", ["do", "re", "mi"]]


async def test_a_session_that_another_daemon_may_have_is_asked_for_again(
    browser: Chromium,
) -> None:
    found = await run(
        browser,
        """
        const { session, first } = await speaking();
        first.say(ready);
        session.append(new Int16Array(100));
        first.drop(1012);
        const second = await line(1);
        const error = { type: "error", seq: 0, code: "not_resumable", fatal: true, message: "no" };
        second.say({ ...error, retry_after_s: 0.01 });
        second.say({ type: "closed", seq: 1, reason: "refused" });
        const third = await line(2);
        third.say({ type: "resumed", seq: 0, samples: 40 });
        return [second.sent, third.sent, session.state];
        """,
    )
    resume = {"type": "resume", "token": "t", "seq": 0}
    assert found == [[resume], [resume, 60], "listening"]


async def test_a_viewer_hears_nothing_twice_of_a_session_that_is_taken_up_again(
    browser: Chromium,
) -> None:
    found = await run(
        browser,
        """
        const { texts, first } = await watching("live");
        first.say({ ...begin, seq: -1 });
        first.say(final(1, 0, "do"));
        first.say({ type: "closed", seq: 2, reason: "idle" }); // its seat went to another
        first.say({ ...begin, seq: 1 });
        first.say(final(1, 0, "do"));
        first.say(final(2, 1, "re"));
        first.say({ type: "closed", seq: 3, reason: "shutdown" });
        first.drop(1001);
        const second = await line(1);
        second.say({ ...begin, seq: 2 });
        second.say(final(3, 2, "mi"));
        return [second.url, texts];
        """,
    )
    assert found == ["/watch/s?after=2", ["do", "re", "mi"]]
