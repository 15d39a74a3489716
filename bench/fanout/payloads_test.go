package fanout

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// payload is a kind of events as programs send them: JSON objects whose fields repeat, with as much that is random as such events have.
type payload struct {
	name string
	make func(r *rand.Rand, n int) string // event n; it begins with {"
}

// payloads are the kinds of events that BenchmarkCompress sends. Events of ids are mostly random, which no compressor can shorten below half of
// their hexadecimal digits.
var payloads = []payload{
	{"ticker", tick},
	{"chat", say},
	{"log", logLine},
	{"order", order},
	{"ids", identifiers},
}

// tick is a trade at a market.
func tick(r *rand.Rand, n int) string {
	return fmt.Sprintf(`{"symbol":"%s","price":%.2f,"volume":%d,"side":"%s","time":"%s","venue":"XNAS","trade":"%08x"}`,
		pick(r, "ACME", "GLOBEX", "INITECH", "HOOLI"), 90+r.Float64()*20, r.IntN(10_000), pick(r, "buy", "sell"), instant(r, n), r.Uint32())
}

// say is a message of 5 to 44 words in a chat.
func say(r *rand.Rand, n int) string {
	return fmt.Sprintf(`{"id":"%s","room":"general","user":{"id":%d,"name":"%s"},"text":"%s","sent":"%s"}`,
		uuid(r), r.IntN(500), pick(r, "Ada", "Grace", "Edsger", "Barbara", "Ken"), words(r, 5+r.IntN(40)), instant(r, n))
}

// logLine is a line of the structured log of a server, with the identifiers of a trace.
func logLine(r *rand.Rand, n int) string {
	return fmt.Sprintf(`{"time":"%s","level":"%s","service":"%s","msg":"request served","method":"%s","path":"/api/v1/%s/%d","status":%d,`+
		`"duration_ms":%.3f,"bytes":%d,"client":"10.%d.%d.%d","trace_id":"%016x%016x","span_id":"%016x"}`,
		instant(r, n), pick(r, "INFO", "INFO", "INFO", "WARN"), pick(r, "cart", "checkout", "search"), pick(r, "GET", "POST"), pick(r, "orders", "items", "users"),
		r.IntN(100_000), []int{200, 200, 201, 404}[r.IntN(4)], r.Float64()*100, r.IntN(50_000), r.IntN(256), r.IntN(256), r.IntN(256), r.Uint64(), r.Uint64(), r.Uint64())
}

// order is an order of a shop, with 20 items.
func order(r *rand.Rand, n int) string {
	items := make([]string, 20)
	for i := range items {
		items[i] = fmt.Sprintf(`{"sku":"SKU-%05d","name":"%s %s","quantity":%d,"price":%.2f,"currency":"EUR"}`,
			r.IntN(100_000), pick(r, "Blue", "Red", "Green"), pick(r, "chair", "table", "lamp", "shelf"), 1+r.IntN(5), r.Float64()*500)
	}
	return fmt.Sprintf(`{"order":"%08x","customer":%d,"state":"%s","time":"%s","items":[%s]}`,
		r.Uint32(), r.IntN(100_000), pick(r, "new", "paid", "shipped"), instant(r, n), strings.Join(items, ","))
}

// identifiers is an event of which nearly everything is random.
func identifiers(r *rand.Rand, _ int) string {
	ids := make([]string, 12)
	for i := range ids {
		ids[i] = `"` + uuid(r) + `"`
	}
	return `{"ids":[` + strings.Join(ids, ",") + `]}`
}

func pick(r *rand.Rand, some ...string) string { return some[r.IntN(len(some))] }

// instant is the time of event n: 50 a second.
func instant(r *rand.Rand, n int) string {
	return time.Unix(1_764_000_000, int64(n)*20e6+r.Int64N(20e6)).UTC().Format("2006-01-02T15:04:05.000Z")
}

func uuid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a), uint16(a>>32), a>>48&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// words are n frequent words, some more frequent than others.
func words(r *rand.Rand, n int) string {
	text := make([]string, n)
	for i := range text {
		text[i] = vocabulary[int(float64(len(vocabulary))*r.Float64()*r.Float64())]
	}
	return strings.Join(text, " ")
}

var vocabulary = strings.Fields(`the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not
	what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make
	like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get
	come made may part over new sound take only little work know place year live me back give most very after thing our just name good sentence man think
	say great where help through much before line right too mean old any same tell boy follow came want show also around form three small set put end does
	another well large must big even such because turn here why ask went men read need land different home us move try kind hand picture again change off
	play spell air away animal house point page letter mother answer found study still learn should world`)
