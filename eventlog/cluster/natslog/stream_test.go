package natslog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
)

// usable returns the least that a stream made by hand must have, with a change.
func usable(change func(*jetstream.StreamConfig)) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: "tidings", Subjects: []string{"tidings.log"}, Storage: jetstream.FileStorage, AllowDirect: true, DenyDelete: true, DenyPurge: true,
		Duplicates: 2 * time.Minute, RePublish: &jetstream.RePublish{Source: "tidings.log", Destination: "tidings.live"},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func TestStreamMadeByHandIsUsed(t *testing.T) {
	s := start(t, nil)
	_, js := admin(t, s)
	if _, err := js.CreateStream(t.Context(), usable(nil)); err != nil {
		t.Fatal(err)
	}
	order := open(t, s, nil)
	if err := order.Create(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	publish(t, order, "1")
	if _, err := follow(t, order, 1, 1); !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func TestStreamThatCannotBeUsedIsRefusedAndNotChanged(t *testing.T) {
	tests := map[string]struct {
		change func(*jetstream.StreamConfig)
		says   string
	}{
		"subjects":    {func(c *jetstream.StreamConfig) { c.Subjects = []string{"tidings.log", "orders.*"} }, `it stores the subjects ["tidings.log" "orders.*"], and must store "tidings.log" alone`},
		"memory":      {func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "must be in files"},
		"work queue":  {func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "retention"},
		"discard":     {func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew }, "must discard old ones"},
		"per subject": {func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 10 }, "max_msgs_per_subject"},
		"too small":   {func(c *jetstream.StreamConfig) { c.MaxBytes = 1000 }, "must keep at least"},
		"duplicates":  {func(c *jetstream.StreamConfig) { c.Duplicates = time.Second }, "for at least 2m0s"},
		"direct gets": {func(c *jetstream.StreamConfig) { c.AllowDirect = false }, "allow_direct"},
		"no answers":  {func(c *jetstream.StreamConfig) { c.NoAck = true }, "no_ack"},
		"async":       {func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, "persist_mode"},
		"mirror":      {func(c *jetstream.StreamConfig) { c.Subjects, c.Mirror = nil, &jetstream.StreamSource{Name: "other"} }, "mirror"},
		"sources":     {func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "other"}} }, "sources"},
		"transformed": {func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: ">", Destination: "other.>"}
		}, "subject_transform"},
		"no doorbell":        {func(c *jetstream.StreamConfig) { c.RePublish = nil }, `must republish "tidings.log" to "tidings.live"`},
		"doorbell elsewhere": {func(c *jetstream.StreamConfig) { c.RePublish.Destination = "elsewhere" }, "must republish"},
		"empty doorbell":     {func(c *jetstream.StreamConfig) { c.RePublish.HeadersOnly = true }, "with the data"},
	}
	s := start(t, nil)
	_, js := admin(t, s)
	order := open(t, s, nil)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := js.CreateStream(t.Context(), usable(test.change)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := js.DeleteStream(t.Context(), "tidings"); err != nil {
					t.Fatal(err)
				}
			}()
			before := config(t, js, "tidings")
			_, bounds := order.Bounds(t.Context())
			for _, err := range []error{order.Create(t.Context(), 1), bounds} {
				var differs *natslog.StreamError
				if !errors.As(err, &differs) || len(differs.Differ) != 1 && name != "mirror" || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %v; want one difference, %q", err, test.says)
				}
			}
			if after := config(t, js, "tidings"); after != before {
				t.Errorf("the stream was changed:\n%s\n%s", before, after)
			}
		})
	}
}

func TestStreamWithOtherReplicasIsRefused(t *testing.T) {
	order, s := created(t, nil)
	other := open(t, s, &natslog.Options{Replicas: 3})
	if _, err := other.Bounds(t.Context()); err == nil || !strings.Contains(err.Error(), "it has 1 replicas, and this hub is set to 3") {
		t.Errorf("error %v", err)
	}
	if _, err := order.Bounds(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSingleServerCannotKeepThreeReplicas(t *testing.T) {
	order := open(t, start(t, nil), &natslog.Options{Replicas: 3})
	if err := order.Create(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "one server, not a cluster") {
		t.Errorf("error %v", err)
	}
}

func TestBytesThatNATSDoesNotHaveAreNamed(t *testing.T) {
	order := open(t, start(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 }), nil)
	if err := order.Create(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "keep fewer bytes, or raise max_file_store") {
		t.Errorf("error %v", err)
	}
}

func TestSubjectOfAnotherStreamIsNamed(t *testing.T) {
	s := start(t, nil)
	_, js := admin(t, s)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "archive", Subjects: []string{"tidings.>"}}); err != nil {
		t.Fatal(err)
	}
	order := open(t, s, nil)
	if err := order.Create(t.Context(), 1); err == nil || !strings.Contains(err.Error(), `another stream of this account stores subjects that begin with "tidings.log"`) {
		t.Errorf("error %v", err)
	}
	refusal, ok := errors.AsType[*cluster.RefusedError](order.Publish(t.Context(), "", newID(), []byte("1")))
	if !ok {
		t.Fatal("a message for another stream is not refused")
	}
	if stream, err := js.Stream(t.Context(), "archive"); err != nil || stream.CachedInfo().State.Msgs != 0 {
		t.Errorf("another stream has the message, although: %v (%v)", refusal, err)
	}
}

func TestOrderBeginsWithTheNumberThatItWasGiven(t *testing.T) {
	s := start(t, nil)
	order := open(t, s, nil)
	for _, first := range []uint64{1000, 7, 1} { // later ones change nothing
		if err := order.Create(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if b, err := order.Bounds(t.Context()); err != nil || b.First != 1000 || b.Last != 999 || b.Identity == "" {
			t.Fatalf("the bounds are %+v, %v", b, err)
		}
	}
	publish(t, order, "a")
	all, err := follow(t, order, 1000, 1)
	if texts(t, 1000, all); !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func TestNewOrderHasAnotherIdentity(t *testing.T) {
	order, s := created(t, nil)
	_, js := admin(t, s)
	first, err := order.Bounds(t.Context())
	if err != nil || first.First != 1 || first.Last != 0 {
		t.Fatalf("the bounds are %+v, %v", first, err)
	}
	publish(t, order, "1")
	if b, err := order.Bounds(t.Context()); err != nil || b.Identity != first.Identity || b.Last != 1 {
		t.Errorf("after a message, the bounds are %+v, %v; before %+v", b, err, first)
	}
	if err := js.DeleteStream(t.Context(), "tidings"); err != nil {
		t.Fatal(err)
	}
	if _, err := order.Bounds(t.Context()); !errors.Is(err, cluster.ErrMissing) {
		t.Errorf("the bounds of a deleted stream: %v", err)
	}
	if err := order.Create(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if b, err := order.Bounds(t.Context()); err != nil || b.Identity == first.Identity {
		t.Errorf("a new stream has the identity of the old one, %q (%v)", b.Identity, err)
	}
}

func TestMissingOrderIsToldByEveryMethod(t *testing.T) {
	order := open(t, start(t, nil), nil)
	_, bounds := order.Bounds(t.Context())
	_, message := order.Message(t.Context(), 1)
	_, followed := follow(t, order, 1, 1)
	for what, err := range map[string]error{"Bounds": bounds, "Message": message, "Follow": followed} {
		if !errors.Is(err, cluster.ErrMissing) {
			t.Errorf("%s returns %v", what, err)
		}
	}
	if refusal, ok := errors.AsType[*cluster.RefusedError](order.Publish(t.Context(), "", newID(), []byte("1"))); !ok || !refusal.Later {
		t.Errorf("Publish returns %v", refusal)
	}
}

func TestServerWithoutJetStreamIsNamed(t *testing.T) {
	order := open(t, start(t, func(o *server.Options) { o.JetStream = false }), nil)
	if err := order.Create(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "no JetStream") {
		t.Errorf("error %v", err)
	}
}

func TestWarningsSayWhatASingleReplicaMeans(t *testing.T) {
	order, _ := created(t, nil)
	warnings, err := order.Warnings(t.Context())
	if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0], "1 replica") || !strings.Contains(warnings[1], "sync_interval: always") {
		t.Errorf("warnings %q, %v", warnings, err)
	}
}
