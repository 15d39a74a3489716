package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

const demoURL = "http://demo.example/events"

// runningDemo is a demo on a network in memory, for tests in a bubble.
type runningDemo struct {
	*demo
	*ssetest.Listener
	stop func() // and wait
}

func startDemo(t *testing.T) runningDemo {
	d, err := newDemo(func(context.Context) hostSample { return hostSample{Time: time.Now()} })
	if err != nil {
		t.Fatal(err)
	}
	l := ssetest.NewListener()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.serve(ctx, l) }()
	stopped := false
	stop := func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-ended; err != nil {
				t.Errorf("serve: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return runningDemo{d, l, stop}
}

// follow collects what an ordinary client receives, from a position.
func (d runningDemo) follow(t *testing.T, id string) *ssetest.Collector[sse.Event] {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, demoURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	client := sse.Client{HTTP: d.Client()}
	return ssetest.Collect(t, client.Subscribe(req))
}

// pass advances the time in a bubble, and waits until all goroutines have reacted.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// ofType returns the data of the events of one type.
func ofType(events []sse.Event, typ string) []string {
	var data []string
	for _, e := range events {
		if e.Type == typ {
			data = append(data, e.Data)
		}
	}
	return data
}

// upTo returns "0", "1", … "n-1".
func upTo(n int) []string {
	var numbers []string
	for i := range n {
		numbers = append(numbers, strconv.Itoa(i))
	}
	return numbers
}

// sequence returns the number in a position.
func sequence(t *testing.T, id string) int {
	_, number, _ := strings.Cut(id, "-")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("%q is not a position", id)
	}
	return n
}

func TestDemoCountsFromZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDemo(t)
		pass(time.Hour) // no visitor yet
		first := d.follow(t, "")
		pass(10*time.Second + 100*time.Millisecond)
		if diff := cmp.Diff(upTo(11), ofType(first.All(), "message")); diff != "" {
			t.Errorf("the first visitor after 10 s (-want +got):\n%s", diff)
		}

		second := d.follow(t, "")
		pass(3 * time.Second)
		if diff := cmp.Diff([]string{"11", "12", "13"}, ofType(second.All(), "message")); diff != "" {
			t.Errorf("the second visitor (-want +got):\n%s", diff)
		}
		d.stop()
	})
}

func TestDemoClockSkipsNoSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(777 * time.Millisecond) // the demo starts in the middle of a second
		d := startDemo(t)
		began := time.Now().Truncate(time.Second)
		got := d.follow(t, "")
		pass(time.Minute)
		clock := ofType(got.All(), "clock")
		if len(clock) != 60 {
			t.Errorf("%d times in a minute, want 60", len(clock))
		}
		for i, text := range clock {
			want := began.Add(time.Duration(i+1) * time.Second)
			if at, err := time.Parse(time.RFC3339, text); err != nil || !at.Equal(want) {
				t.Fatalf("time %d is %q (%v), want %v", i, text, err, want)
			}
		}
		d.stop()
	})
}

func TestDemoPublishesTheHostLoadEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDemo(t)
		got := d.follow(t, "")
		pass(time.Minute + time.Millisecond)
		host := ofType(got.All(), "host")
		if len(host) != 60 {
			t.Errorf("%d samples in a minute, want 60", len(host))
		}
		for _, data := range host {
			if err := json.Unmarshal([]byte(data), new(hostSample)); err != nil {
				t.Errorf("%s: %v", data, err)
			}
		}
		d.stop()
	})
}

func TestDemoResumeMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDemo(t)
		got := d.follow(t, "")
		for range 20 {
			pass(2345 * time.Millisecond)
			d.ResetAll()
		}
		pass(20 * time.Second)

		events := got.All()
		numbers := ofType(events, "message")
		if len(numbers) < 50 {
			t.Errorf("%d numbers in a minute", len(numbers))
		}
		if diff := cmp.Diff(upTo(len(numbers)), numbers); diff != "" {
			t.Errorf("numbers over 20 broken connections (-want +got):\n%s", diff)
		}
		// The checkpoint has the first position; each later position is one higher than the one before.
		at := sequence(t, events[0].ID)
		for _, e := range events[1:] {
			want := at + 1
			if e.Type == "tidings.checkpoint" {
				want = at
			}
			if at = sequence(t, e.ID); at != want {
				t.Errorf("%s came, want number %d", e.ID, want)
			}
		}
		d.stop()
	})
}

// A connection can break before its first event. Without a checkpoint the client would reconnect without a position and miss events.
func TestDemoGivesAPositionBeforeTheFirstEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDemo(t)
		d.follow(t, "") // the counter runs
		pass(5300 * time.Millisecond)
		got := d.follow(t, "")
		synctest.Wait() // the stream is open, and no number has been published
		d.ResetAll()
		pass(15 * time.Second)
		numbers := ofType(got.All(), "message")
		if len(numbers) == 0 || numbers[0] != "6" {
			t.Errorf("numbers %q, want them to begin with 6", numbers)
		}
		d.stop()
	})
}

func TestDemoIgnoresThePositionOfAnotherRun(t *testing.T) {
	for _, id := range []string{"zzzzz-3", "nonsense", "-", "zzzzz-"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := startDemo(t)
				d.follow(t, "")
				pass(4500 * time.Millisecond)
				got := d.follow(t, id)
				pass(time.Second)
				events := got.All()
				if len(events) < 2 || events[0].Type != "tidings.gap" || events[1].Type != "tidings.checkpoint" {
					t.Fatalf("got %v, want a gap and a checkpoint first", events)
				}
				type gap struct{ Reason, From, To string }
				want := gap{Reason: "reset", From: id, To: events[1].ID}
				var told gap
				if err := json.Unmarshal([]byte(events[0].Data), &told); err != nil || told != want {
					t.Errorf("gap %s (%v), want %+v", events[0].Data, err, want)
				}
				if numbers := ofType(events, "message"); len(numbers) != 1 || numbers[0] != "5" {
					t.Errorf("numbers %q, want 5", numbers)
				}
				d.stop()
			})
		})
	}
}

// stuck opens a stream over a connection of its own, and reads nothing.
func (d runningDemo) stuck(t *testing.T) io.Reader {
	conn, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: demo.example\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return conn
}

// fill publishes more than the buffers of a connection hold.
func (d runningDemo) fill() {
	for range 2 * ssetest.DefaultBuffer >> 10 {
		d.publish(context.Background(), "demo/filler", "filler", strings.Repeat("x", 1<<10))
	}
}

func TestDemoStalledClientDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDemo(t)
		other := d.follow(t, "")
		synctest.Wait() // it is the first, and the stuck one comes after the 0
		stuck := d.stuck(t)
		pass(1500 * time.Millisecond)
		d.fill()
		for second := range 60 {
			if numbers := ofType(other.All(), "message"); len(numbers) != second+2 {
				t.Fatalf("%d s after the other stopped reading, there are %d numbers", second, len(numbers))
			}
			pass(time.Second)
		}

		// The server has closed the connection of the stalled client, whose stream ends in the middle of an event.
		resp, err := http.ReadResponse(bufio.NewReader(stuck), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		before, err := ssetest.Collect(t, sse.ReadResponse(resp, nil)).End(t.Context())
		if err == nil || len(before) == 0 {
			t.Fatalf("the stuck client could read %d events, with error %v", len(before), err)
		}
		// The client reconnects and misses nothing.
		last := before[len(before)-1].ID
		after := d.follow(t, last)
		synctest.Wait()
		for i, id := range []int{sequence(t, last), sequence(t, last) + 1} { // a checkpoint, and the next event
			if e, err := after.Next(t.Context()); err != nil || sequence(t, e.ID) != id {
				t.Errorf("event %d after %s has the ID %q (%v)", i, last, e.ID, err)
			}
		}
		numbers := append(ofType(before, "message"), ofType(after.All(), "message")...)
		if diff := cmp.Diff(upTo(62)[1:], numbers); diff != "" {
			t.Errorf("numbers of the stuck client (-want +got):\n%s", diff)
		}
		d.stop()
	})
}

func TestDemoStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDemo(t)
		resp, err := d.Client().Get(demoURL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		got := ssetest.Collect(t, sse.ReadResponse(resp, nil))
		pass(3500 * time.Millisecond)
		began := time.Now()
		d.stop()
		if took := time.Since(began); took > demoGrace/2 {
			t.Errorf("stopping took %v although every client reads", took)
		}
		events, err := got.End(t.Context())
		if err != nil {
			t.Errorf("the stream ended with %v, want a clean end", err)
		}
		if diff := cmp.Diff(upTo(4), ofType(events, "message")); diff != "" {
			t.Errorf("numbers before the end (-want +got):\n%s", diff)
		}
		if _, err := d.Dial(t.Context()); err == nil {
			t.Error("somebody still listens")
		}
	})
}

func TestDemoStopsDespiteAStalledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDemo(t)
		d.stuck(t)
		d.fill()
		synctest.Wait()
		began := time.Now()
		d.stop()
		if took := time.Since(began); took > demoGrace {
			t.Errorf("stopping took %v, want at most %v", took, demoGrace)
		}
	})
}

// A complete run of the program on a real network. The printed URL and command work.
func TestDemoRunsWithOneCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, w := io.Pipe()
	var complaints strings.Builder
	code := make(chan int, 1)
	go func() {
		p := program{stdio: stdio{in: strings.NewReader(""), out: w, err: &complaints}}
		code <- p.run(ctx, []string{"demo", "--addr", "localhost:0"})
		_ = w.Close()
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("nothing was printed; exit code %d: %s", <-code, &complaints)
	}
	var url string
	if _, err := fmt.Sscanf(lines.Text(), "tidings demo listens on %s", &url); err != nil {
		t.Fatalf("%q: %v", lines.Text(), err)
	}
	url = strings.TrimSuffix(url, ":")
	if !strings.Contains(lines.Text(), "curl -N "+url+"/events") {
		t.Errorf("%q does not say what to try", lines.Text())
	}

	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "EventSource") {
		t.Errorf("the page: status %s, %d bytes, error %v", resp.Status, len(page), err)
	}
	var numbers []string
	for e, err := range sse.Subscribe(ctx, url+"/events") {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == sse.DefaultType {
			numbers = append(numbers, e.Data)
		}
		if len(numbers) == 2 {
			break
		}
	}
	if diff := cmp.Diff(upTo(2), numbers); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}

	cancel()
	if lines.Scan() {
		t.Errorf("a second line: %q", lines.Text())
	}
	if got := <-code; got != 0 || complaints.Len() > 0 {
		t.Errorf("exit code %d, %s", got, &complaints)
	}
}
