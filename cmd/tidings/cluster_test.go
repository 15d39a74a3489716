package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// clusterServer answers as a hub of a cluster, and keeps the last request.
type clusterServer struct {
	*httptest.Server
	got string
}

func startClusterServer(t *testing.T) *clusterServer {
	t.Helper()
	s := &clusterServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		if _, err := r.Body.Read(nil); err == nil {
			b := make([]byte, 1<<10)
			n, _ := r.Body.Read(b) // small bodies come at once
			body.Write(b[:n])
		}
		s.got = r.Method + " " + r.URL.Path + " " + body.String()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"name":"a","hubs":[{"name":"a","ready":true,"generation":"k3f9a","head":17,"message":5,"last":5,"streams":2,"contact_age":12,"version":"v1","url":"http://10.0.0.1:8080"},` +
			`{"name":"b","ready":false,"unready":"it has no contact","generation":"k3f9a","head":15,"message":3,"last":5,"streams":0,"contact_age":17000}],` +
			`"log":{"generation":"k3f9a","settings":{"format":1,"rules":[{"pattern":"chat/**","age":"168h0m0s"}],"bytes":10240},"servers":{"size":3,"peers":[{"name":"a","online":true},{"name":"b-x7k2","online":false}]}}}`))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestClusterStatusListsHubsAndSaysWhyOneIsNotReady(t *testing.T) {
	s := startClusterServer(t)
	code, out, complaint := say(t, "cluster", "status", s.URL, "--format", "table")
	for _, want := range []string{"a    ready      k3f9a-17  0 messages  2", "b    not ready  k3f9a-15  2 messages  0", "17s ago", "b is not ready: it has no contact", "b-x7k2 does not answer", "tidings cluster remove b-x7k2"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, %s: there is no %q in\n%s", code, complaint, want, out)
		}
	}
	if code, out, _ := say(t, "cluster", "status", s.URL); code != 0 || !strings.HasPrefix(out, `{"name":"a"`) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// TestClusterStatusNamesWhatIsWrong: each kind of hub that does not take part, and the hubs that one without a majority cannot reach.
func TestClusterStatusNamesWhatIsWrong(t *testing.T) {
	var status clusterAnswer
	err := json.Unmarshal([]byte(`{"name":"a","hubs":[{"name":"a","ready":true},{"name":"b","silent":true,"unready":"it does not answer"},{"name":"removed","ready":true}],`+
		`"log":{"servers":{"size":3,"peers":[{"name":"a","online":true},{"name":"b","online":false}]}}}`), &status)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := printCluster(&out, &status, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`b +no answer `, `\nb does not answer, and counts for majorities`, `\nremoved was removed, or is new, and does not count`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("there is no %q in\n%s", want, &out)
		}
	}
	if n := strings.Count(out.String(), "\nb "); n != 2 { // its line of the table, and one note
		t.Errorf("%d lines are about b:\n%s", n, &out)
	}
	status = clusterAnswer{}
	if err := json.Unmarshal([]byte(`{"hubs":[{"name":"a","ready":true}],"log":{"servers":"natsnode: this hub does not reach b, c"}}`), &status); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := printCluster(&out, &status, ""); err != nil || !strings.Contains(out.String(), "\nthe servers of the shared log: this hub does not reach b, c\n") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestCommandsThatStatusPrintsCanBeCopied: they lacked the address, and asked the hub at the default one.
func TestCommandsThatStatusPrintsCanBeCopied(t *testing.T) {
	s := startClusterServer(t)
	bare := strings.TrimPrefix(s.URL, "http://")
	for _, args := range [][]string{{s.URL}, {bare}, {"--hub", s.URL}, {s.URL + "/"}, {"--hub", bare + "/events", "--token", "secret"}, {s.URL, "--token", "secret", "--insecure"}} {
		code, out, complaint := say(t, append([]string{"cluster", "status", "--format", "table"}, args...)...)
		_, command, found := strings.Cut(out, "If it will not come back: tidings ")
		command, _, _ = strings.Cut(command, "\n")
		if code != 0 || !found || strings.Contains(out, "secret") {
			t.Fatalf("%q: exit code %d, %s%s", args, code, out, complaint)
		}
		s.got = ""
		if code, _, complaint := say(t, strings.Fields(command)...); code != 0 || s.got != "DELETE /api/v1/cluster/hubs/b-x7k2 " {
			t.Errorf("%q prints %q: exit code %d, %s; the hub got %s", args, command, code, complaint, s.got)
		}
	}
	for want, c := range map[string]clusterAsker{
		"": {},
		" 'unix:/run/my hubs/a.sock' --ca 'my ca.pem'": {hubFlags: hubFlags{Hub: "unix:/run/my hubs/a.sock", CA: "my ca.pem"}},
		" 'https://ann@a.example'":                     {hubFlags: hubFlags{Hub: "https://ann:secret@a.example", Token: "secret"}},
	} {
		h, err := c.hub()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.again(&hubClient{Hub: h}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestStatusSaysEachSentenceOnce: without a majority it said the same three lines for each hub that runs, and for the servers of the shared log.
func TestStatusSaysEachSentenceOnce(t *testing.T) {
	const reason = "this hub has lost the majority of its cluster: waiting for one of b-2, c-3: 3 of 5 hubs are needed"
	var status clusterAnswer
	if err := json.Unmarshal([]byte(`{"name":"a-1","hubs":[{"name":"a-1","unready":"`+reason+`"},{"name":"d-4","unready":"it drains"},{"name":"e-5","unready":"`+reason+`"}],"log":{"servers":"natsnode: `+reason+`"}}`), &status); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := printCluster(&out, &status, ""); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), reason); n != 1 || !strings.Contains(out.String(), "\n\na-1, e-5 are not ready; each says: "+reason+"\n\nd-4 is not ready: it drains\n") {
		t.Errorf("%d times:\n%s", n, &out)
	}
}

// TestStatusNamesHubsThatStoreTheLog: with five hubs, none said that two were down which store the log, so that nothing could be published.
func TestStatusNamesHubsThatStoreTheLog(t *testing.T) {
	const trouble = "this hub has lost the majority of the hubs that store the shared log, and nothing can be published at it: waiting for one of b-2, c-3"
	peers := `"peers":[{"name":"a-1","online":true,"stores":true},{"name":"b-2","stores":true},{"name":"c-3","stores":true},{"name":"d-4","online":true},{"name":"e-5"}]`
	for _, unready := range []string{trouble, "it drains"} {
		var status clusterAnswer
		if err := json.Unmarshal([]byte(`{"name":"a-1","hubs":[{"name":"a-1","unready":"`+unready+`"}],"log":{"servers":{"size":5,"trouble":"`+trouble+`",`+peers+`}}}`), &status); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := printCluster(&out, &status, ""); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{trouble, "\nb-2 does not answer, counts for majorities, and stores the shared log. If it ", "\nc-3 does not answer, counts for majorities, and stores", "\ne-5 does not answer, and counts for majorities. If it "} {
			if strings.Count(out.String(), want) != 1 {
				t.Errorf("%d times %q:\n%s", strings.Count(out.String(), want), want, &out)
			}
		}
	}
}

// TestRefusalOfAHubIsShownToItsEnd: it was cut after 240 bytes, where the way out began.
func TestRefusalOfAHubIsShownToItsEnd(t *testing.T) {
	const end = "docs/cluster.md (After a disaster) says how to continue with the events of one hub"
	detail := "waiting for one of " + strings.Repeat("a-hub-with-a-long-name-x7k2, ", 64) + ": 33 of 65 hubs are needed. " + end
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"type":"https://tidings-sse.github.io/problems/conflict","title":"conflict","detail":"`+detail+`"}`)
	}))
	defer s.Close()
	for _, args := range [][]string{{"cluster", "remove", "b-2", s.URL}, {"cluster", "status", s.URL}, {"pub", s.URL, "news", "hello"}, {"stats", s.URL}} {
		if code, _, complaint := say(t, args...); code != exitRefused || !strings.Contains(complaint, detail) {
			t.Errorf("%q: exit code %d, %s", args, code, complaint)
		}
	}
}

// TestRemoveSaysWhatTheOrderOfItsArgumentsIs: the hint was no command.
func TestRemoveSaysWhatTheOrderOfItsArgumentsIs(t *testing.T) {
	for want, args := range map[string][]string{
		"hint: tidings cluster remove b-x7k2 http://a:8080":                      {"http://a:8080", "b-x7k2"},
		"hint: tidings cluster status http://a:8080 lists the names":             {"http://a:8080"},
		"hint: tidings cluster remove b-x7k2 http://vm":                          {"b-x7k2", "vm"},
		"is not the URL of a hub, and tidings cluster remove b-x7k2 takes no to": {"b-x7k2", "vm"},
	} {
		if code, _, complaint := say(t, append([]string{"cluster", "remove"}, args...)...); code != exitUsage || !strings.Contains(complaint, want) {
			t.Errorf("%q: exit code %d, %s\nwant %s", args, code, complaint, want)
		}
	}
	if code, _, complaint := say(t, "cluster", "status", "vm"); code != exitUsage || !strings.Contains(complaint, "hint: tidings cluster status http://vm") {
		t.Errorf("status: exit code %d, %s", code, complaint)
	}
}

// TestRemoveAsksForNoReplacementThatIsThere: it did, after the hub in place of the lost one had started.
func TestRemoveAsksForNoReplacementThatIsThere(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"name":"a","hubs":[{"name":"a","ready":true}],"log":{"servers":{"size":3,"peers":[{"name":"a","online":true},{"name":"b","online":true},{"name":"c","online":true}]}}}`)
	}))
	defer s.Close()
	if code, _, complaint := say(t, "cluster", "remove", "lost", s.URL); code != 0 || strings.Contains(complaint, "next:") || !strings.Contains(complaint, "those of 3 hubs") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
}

// TestCommandsDoNotWaitForeverForAHub that accepts a request and does not answer, such as one whose process is stopped.
func TestCommandsDoNotWaitForeverForAHub(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client leaves
		<-r.Context().Done()
	}))
	defer s.Close()
	was := askTime
	askTime = 50 * time.Millisecond
	defer func() { askTime = was }()
	const unknown = "; whether it has done what it was asked to is not known"
	for _, test := range []struct {
		args []string
		more string
	}{
		{[]string{"cluster", "set", "--keep-bytes", "1GiB", s.URL}, unknown},
		{[]string{"cluster", "reset", "--yes", s.URL}, unknown},
		{[]string{"revoke", "--sub", "ann", s.URL}, unknown},
		{[]string{"stats", s.URL}, ""},
		{[]string{"topics", s.URL}, ""},
	} {
		if code, _, complaint := say(t, test.args...); code != exitFailure || !strings.HasSuffix(complaint, " does not answer within 50ms"+test.more+"\n") {
			t.Errorf("%q: exit code %d, %s", test.args, code, complaint)
		}
	}
}

// TestStatusShowsHowFarAKilledHubIsBehind: it said 0 messages, which the hub itself had said before it was killed.
func TestStatusShowsHowFarAKilledHubIsBehind(t *testing.T) {
	var out strings.Builder
	status := &clusterAnswer{Hubs: []clusterHub{
		{Name: "a", Ready: true, Generation: "k3f9a", Message: 9, Last: 9},
		{Name: "killed", Ready: true, Generation: "k3f9a", Message: 4, Last: 4},
		{Name: "elsewhere", Ready: true, Generation: "zzzzz", Message: 1, Last: 1},
	}}
	if err := printCluster(&out, status, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`a +ready +k3f9a-0 +0 messages`, `killed +ready +k3f9a-0 +5 messages`, `elsewhere +ready +zzzzz-0 +0 messages`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("there is no %q in\n%s", want, &out)
		}
	}
}

func TestClusterCommandsAskForWhatTheySay(t *testing.T) {
	s := startClusterServer(t)
	for want, args := range map[string][]string{
		"GET /api/v1/cluster ":          {"status"},
		"DELETE /api/v1/cluster/hubs/b": {"remove", "b"},
		"POST /api/v1/cluster/reset {}": {"reset", "--yes"},
		`POST /api/v1/cluster/settings {"keep":["chat/**=age:7d"],"keep_bytes":"10GiB","topics_remembered":1000000}`: {"set", "--keep", "chat/**=age:7d", "--keep-bytes", "10GiB"},
	} {
		if code, _, complaint := say(t, append(append([]string{"cluster"}, args...), "--hub", s.URL)...); code != 0 || !strings.HasPrefix(s.got, want) {
			t.Errorf("%q: exit code %d, %s; the hub got %s", args, code, complaint, s.got)
		}
	}
}

func TestClusterCommandsSayWhatTheHubHasDone(t *testing.T) {
	s := startClusterServer(t)
	for want, args := range map[string][]string{
		"b-x7k2 is removed: it no longer counts for majorities, which are now those of 2 hubs\nif its data directory is found again, delete it: a hub that starts with it is a member again, and counts\nnext: start a hub with an empty directory in its place; or, if the cluster is to have fewer hubs, start the others with a list of peers without it, one after the other\n": {"remove", "b-x7k2"},
		"all hubs of the cluster now keep: --keep 'chat/**=age:7d' --keep-bytes 10KiB --topics-remembered 0\n":          {"set", "--keep", "chat/**=age:7d", "--keep-bytes", "2MiB"},
		"the log of a is the shared log, in generation k3f9a; every subscriber that resumes gets a gap with the reason": {"reset", "--yes"},
	} {
		if code, out, complaint := say(t, append(append([]string{"cluster"}, args...), "--hub", s.URL)...); code != 0 || !strings.Contains(complaint, want) || !strings.HasPrefix(out, "{") {
			t.Errorf("%q: exit code %d, %s, and says %s", args, code, out, complaint)
		}
	}
}

func TestSettingsOfAClusterAreReadAsTheyWereWritten(t *testing.T) {
	r, err := parseKept([]byte(`{"keep":["chat/**=age:7d","prices/*=latest:1"],"keep_bytes":"10GiB","topics_remembered":5}`), 1<<20)
	if err != nil || len(r.Rules) != 2 || r.Rules[1].Latest != 1 || r.Bytes != 10<<30 || r.Topics != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, body := range []string{``, `{"keep":["chat"]}`, `{"keep":["a/**/b=all"]}`, `{"keep_bytes":"much"}`, `{"keep_bytes":"10"}`, `{"keep_bytes":"2MiB"}`, `[]`} {
		if r, err := parseKept([]byte(body), 3<<20); err == nil {
			t.Errorf("%s is taken as %+v", body, r)
		}
	}
}

func TestClusterResetNeedsYes(t *testing.T) {
	s := startClusterServer(t)
	if code, _, complaint := say(t, "cluster", "reset", s.URL); code != exitUsage || !strings.Contains(complaint, "--yes") || s.got != "" {
		t.Errorf("exit code %d, %s; the hub got %q", code, complaint, s.got)
	}
}

func TestClusterOfASingleHubIsRefusedWithAReason(t *testing.T) {
	s := startServe(t, nil)
	if code, _, complaint := say(t, "cluster", "status", "--hub", s.url); code != exitRefused || !strings.Contains(complaint, "not part of a cluster") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
}

// TestClusterSetRefusesWhatNoHubCouldStartWith: --keep-bytes 10 emptied the log of all hubs, and none could be started with it.
func TestClusterSetRefusesWhatNoHubCouldStartWith(t *testing.T) {
	s := startClusterServer(t)
	code, _, complaint := say(t, "cluster", "set", s.URL, "--keep-bytes", "10")
	if code != exitUsage || !strings.Contains(complaint, "--keep-bytes must be at least 1.0 MiB") || s.got != "" {
		t.Errorf("exit code %d, %s; the hub got %q", code, complaint, s.got)
	}
}

// TestClusterSetNeedsTheSizeOfTheLog: without flags it put the retention of all hubs back to the defaults, which may delete most of a log.
func TestClusterSetNeedsTheSizeOfTheLog(t *testing.T) {
	s := startClusterServer(t)
	for _, args := range [][]string{{"cluster", "set", s.URL}, {"cluster", "set", s.URL, "--keep", "chat/**=age:7d"}} {
		code, _, complaint := say(t, args...)
		if code != exitUsage || !strings.Contains(complaint, "--keep-bytes is missing") || s.got != "" {
			t.Errorf("exit code %d, %s; the hub got %q", code, complaint, s.got)
		}
	}
}
