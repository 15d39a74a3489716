package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Count is the content of a stream that a decoder must find.
type Count struct {
	Events int
	Data   int // bytes of the data of all events, lines joined by one LF
}

// Stream is an event stream and its content.
type Stream struct {
	Name string
	Wire []byte
	Count
}

// Streams returns the streams of BenchmarkDecode, each of at least size bytes, the same ones every time.
func Streams(size int) []Stream {
	mixed := mixedStream(size)
	return []Stream{
		mixed,
		llmStream(size),
		withCRLF(mixed),
		tinyStream(size),
		linesStream(size, "large", 1<<20, 1),
		linesStream(size, "many-lines", 64, 1000),
	}
}

// add appends an event of the given fields. Contestants disagree about events without data, so there are none.
func (s *Stream) add(fields, data string) {
	s.Wire = append(s.Wire, fields...)
	for line := range strings.SplitSeq(data, "\n") {
		s.Wire = append(s.Wire, "data: "...)
		s.Wire = append(s.Wire, line...)
		s.Wire = append(s.Wire, '\n')
	}
	s.Wire = append(s.Wire, '\n')
	s.Events++
	s.Data += len(data)
}

// mixedStream is a mixture: mostly JSON of 100 to 300 bytes, with some events with type and ID, texts of several lines, comments, and one
// text of eight non-ASCII words.
func mixedStream(size int) Stream {
	s := Stream{Name: "mixed"}
	random := rand.New(rand.NewPCG(1, 2))
	for len(s.Wire) < size {
		text := words(random, 10+random.IntN(40))
		if random.IntN(8) == 0 {
			text += " naïve café, 東京 🙂"
		}
		switch n := random.IntN(20); {
		case n == 0:
			s.Wire = append(s.Wire, ": keep-alive\n\n"...)
		case n <= 2:
			s.add("", text+"\n"+words(random, 12)+"\n"+words(random, 3))
		case n <= 6:
			s.add(fmt.Sprintf("event: token\nid: k3f9a-%d\n", s.Events), fmt.Sprintf(`{"index":%d,"text":%q}`, n, text))
		default:
			s.add("", fmt.Sprintf(`{"index":%d,"object":"text.chunk","delta":{"role":"assistant","content":%q},"done":false}`, n, text))
		}
	}
	return s
}

// llmStream is the answer of a language model in OpenAI's format: one token per chunk.
func llmStream(size int) Stream {
	s := Stream{Name: "llm"}
	random := rand.New(rand.NewPCG(3, 4))
	for len(s.Wire) < size {
		s.add("", fmt.Sprintf(`{"id":"chatcmpl-B7xQ2mTz","object":"chat.completion.chunk","created":1795392000,"model":"gpt-5-mini",`+
			`"system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":%q},"logprobs":null,"finish_reason":null}]}`, words(random, 1)))
	}
	s.add("", "[DONE]")
	return s
}

// tinyStream has very small events, like the counter of the demo. It shows the cost per event.
func tinyStream(size int) Stream {
	s := Stream{Name: "tiny"}
	for len(s.Wire) < size {
		s.add("", fmt.Sprint(s.Events))
	}
	return s
}

// linesStream has events with the given number of lines and bytes per line.
func linesStream(size int, name string, length, lines int) Stream {
	s := Stream{Name: name}
	line := strings.Repeat("0123456789abcdef", length/16)
	data := strings.Repeat(line+"\n", lines-1) + line
	for len(s.Wire) < size {
		s.add("", data)
	}
	return s
}

// withCRLF returns s with CRLF line ends.
func withCRLF(s Stream) Stream {
	s.Name = "crlf"
	s.Wire = bytes.ReplaceAll(s.Wire, []byte("\n"), []byte("\r\n"))
	return s
}

var vocabulary = strings.Fields("the of and to in is that for it as was with be by on not he his but at are this have from " +
	"which or had an were all their one there has when who will more no if out so said what up its about into than them " +
	"only other new some could time these two may then do first any my now such like our over even most made after also")

// words returns n words.
func words(random *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(' ')
		b.WriteString(vocabulary[random.IntN(len(vocabulary))])
	}
	return b.String()[1:]
}
