package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Options say what to do. In URLs and bodies {topic} is the name of a topic, and {data} in a body an event.
type Options struct {
	Subscribe       string      // URL of a topic's stream; without {topic} it is one of all topics
	SubscribeHeader http.Header // besides Accept
	Publish         string      // URL to publish to
	Method          string      // POST if empty
	PublishHeader   http.Header
	Body            string // of a request; "{data}" if empty. Once for each event of a batch, in lines

	Subscribers int
	Topics      int    // at least 1; subscribers and publishers take them in turn
	Topic       string // their names; {n} is a number from 0

	Publishers int     // each sends one request at a time; 0: nobody publishes
	Rate       float64 // events a second of all publishers; 0: as fast as subscribers take them
	Ahead      int     // without a rate: how many events publishers may be ahead of the average subscriber
	Batch      int     // events in a request; 1 if less
	Size       int     // bytes of an event's data; at least 35

	Duration time.Duration // of what is measured; longer if those who come back need it
	WarmUp   time.Duration // before it
	Connects float64       // connections begun in a second; 0: as fast as they can be had

	Churn     float64 // connections a second that break and come back
	Slow      int     // so many more subscribers, which read …
	SlowBytes int     // … so many bytes a second; 0: none
	Missing   int     // so many more subscribers, which come back when the measurement begins …
	Missed    int     // … and have missed so many events each

	Streams int         // of HTTP/2 on a connection; 0: HTTP/1.1
	TLS     *tls.Config // of connections by https; nil: the usual one
	Socket  string      // a file to connect to instead of the hosts of the URLs; "": none
	Source  []string    // addresses of this machine to connect from, in turn: one has some 28,000 ports
	PIDs    []int       // processes of the hub

	Status func(Status) // if not nil, called now and then with how it goes

	patience time.Duration // how long to wait for connections, or for events, when none come any more; 3 s if 0
}

// check fills in what is left out, and refuses what makes no sense.
func (o *Options) check() error {
	o.Topics, o.Batch, o.Ahead = max(o.Topics, 1), max(o.Batch, 1), max(o.Ahead, 1)
	if o.patience == 0 {
		o.patience = 3 * time.Second
	}
	if o.Method == "" {
		o.Method = http.MethodPost
	}
	if o.Body == "" {
		o.Body = "{data}"
	}
	if o.Topic == "" {
		o.Topic = "bench/{n}"
	}
	switch {
	case o.Subscribers < 0 || o.Slow < 0 || o.Missing < 0 || o.Publishers < 0 || o.Rate < 0 || o.Churn < 0 || o.Connects < 0 || o.SlowBytes < 0:
		return errors.New("nothing can be negative")
	case o.Subscribers+o.Slow+o.Missing == 0 && o.Publishers == 0:
		return errors.New("there is nothing to do: no subscribers and no publishers")
	case o.Topics > maxTopics:
		return fmt.Errorf("%d topics are more than the %d that fit into an event", o.Topics, maxTopics)
	case o.Publishers > maxPublishers:
		return fmt.Errorf("%d publishers are more than the %d that fit into an event", o.Publishers, maxPublishers)
	case o.Publishers > 0 && !strings.Contains(o.Body, "{data}"):
		return errors.New("the body has no {data}, where the event would be")
	case o.Topics > 1 && !strings.Contains(o.Topic, "{n}"):
		return fmt.Errorf("%d topics need {n} in their names", o.Topics)
	case o.Missing > 0 && (o.Missed == 0 || o.Publishers == 0):
		return errors.New("who comes back needs somebody who has published what was missed")
	case o.Missing > 0 && !o.byTopic():
		return errors.New("who comes back needs {topic} in the URL of streams")
	case o.Churn > 0 && o.Subscribers == 0:
		return errors.New("there are no subscribers whose connections could break")
	}
	return nil
}

// byTopic reports whether a stream is one topic's.
func (o *Options) byTopic() bool { return strings.Contains(o.Subscribe, "{topic}") }
