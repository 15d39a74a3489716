package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Options configure a run. In URLs and bodies, {topic} stands for the name of a topic, and in bodies {data} stands for
// the data of an event.
type Options struct {
	Subscribe       string      // URL of a topic's stream; without {topic} a stream of all topics
	SubscribeHeader http.Header // of requests to subscribe; Accept is added
	Publish         string      // URL to publish to
	Method          string      // of requests to publish; "" means POST
	PublishHeader   http.Header // of requests to publish
	Body            string      // of requests to publish, one line per event of a batch; "" means "{data}"

	Subscribers int
	Topics      int    // number of topics, spread evenly over subscribers and publishers; at least 1
	Topic       string // name of a topic; {n} stands for its number, from 0

	Publishers int     // each sends one request at a time; 0 means none
	Rate       float64 // events per second of all publishers together; 0 means as fast as subscribers receive them
	Ahead      int     // without Rate: how many events publishers may be ahead of the average subscriber
	Batch      int     // events per request; less than 1 means 1
	Size       int     // bytes of an event's data; at least 35

	Duration time.Duration // of the measurement; it lasts longer if returning subscribers need more time
	WarmUp   time.Duration // before the measurement
	Connects float64       // connections started per second; 0 means no limit

	Churn     float64 // connections per second that are dropped and reopened
	Slow      int     // number of additional subscribers that are slow consumers
	SlowBytes int     // bytes per second that a slow consumer reads; 0 means none
	Missing   int     // number of additional subscribers that return at the start of the measurement
	Missed    int     // events that each returning subscriber has missed

	Streams int         // HTTP/2 streams per connection; 0 means HTTP/1.1
	TLS     *tls.Config // for https; nil means the default configuration
	Socket  string      // path of a Unix socket to connect to instead of the hosts of the URLs; "" means none
	Source  []string    // local addresses to connect from, in turn, because one address has only some 28,000 ports
	PIDs    []int       // process IDs of the hub, to measure its CPU time and memory

	Status func(Status) // if not nil, called twice a second with the progress

	stallTimeout time.Duration // how long to wait without progress for connections or events; 0 means 3 s
}

// check fills in defaults, and returns an error if the options contradict each other.
func (o *Options) check() error {
	o.Topics, o.Batch, o.Ahead = max(o.Topics, 1), max(o.Batch, 1), max(o.Ahead, 1)
	if o.stallTimeout == 0 {
		o.stallTimeout = 3 * time.Second
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
		return errors.New("numbers and rates cannot be negative")
	case o.Subscribers+o.Slow+o.Missing == 0 && o.Publishers == 0:
		return errors.New("there is nothing to do: no subscribers and no publishers")
	case o.Topics > maxTopics:
		return fmt.Errorf("%d topics exceed the limit of %d", o.Topics, maxTopics)
	case o.Publishers > maxPublishers:
		return fmt.Errorf("%d publishers exceed the limit of %d", o.Publishers, maxPublishers)
	case o.Publishers > 0 && !strings.Contains(o.Body, "{data}"):
		return errors.New("the body does not contain {data}, which stands for the event")
	case o.Topics > 1 && !strings.Contains(o.Topic, "{n}"):
		return fmt.Errorf("%d topics need {n} in their names", o.Topics)
	case o.Missing > 0 && (o.Missed == 0 || o.Publishers == 0):
		return errors.New("returning subscribers need a publisher and a number of missed events")
	case o.Missing > 0 && !o.byTopic():
		return errors.New("returning subscribers need {topic} in the subscribe URL")
	case o.Churn > 0 && o.Subscribers == 0:
		return errors.New("dropping connections needs subscribers")
	}
	return nil
}

// byTopic reports whether each stream has a single topic.
func (o *Options) byTopic() bool { return strings.Contains(o.Subscribe, "{topic}") }
