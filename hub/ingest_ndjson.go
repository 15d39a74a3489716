package hub

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// lines is a body of NDJSON: an event each line, as an envelope is. Empty lines are skipped.
type lines struct {
	body *fillable
	in   *bufio.Reader
	max  int
	line []byte // one that does not fit into the buffer of in
}

const (
	// lineBuffer is how much of a body is read at once, of one that comes fast. It makes a batch.
	lineBuffer = 64 << 10

	// firstBuffer is for bodies that come line by line, of which there may be many.
	firstBuffer = 4 << 10
)

func newLines(body io.Reader, maxEvent int) source {
	in := &fillable{in: body}
	return &lines{body: in, in: bufio.NewReaderSize(in, firstBuffer), max: maxEvent}
}

// fillable is a reader that notes when there was more to read than there was room.
type fillable struct {
	in     io.Reader
	filled bool
}

func (r *fillable) Read(p []byte) (n int, err error) {
	n, err = r.in.Read(p)
	r.filled = r.filled || n == len(p)
	return n, err
}

// widen gives a body that comes fast a larger buffer.
func (l *lines) widen() {
	ahead, _ := l.in.Peek(l.in.Buffered())
	l.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), l.body), lineBuffer)
}

func (l *lines) next(pub *publication) (Event, error) {
	for {
		line, err := l.read()
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return Event{}, err
			}
			return parseLine(line, pub)
		}
		if err != nil {
			return Event{}, err
		}
	}
}

// read returns the next line, which is valid until the next call.
func (l *lines) read() ([]byte, error) {
	if l.body.filled && l.in.Size() < lineBuffer {
		l.widen()
	}
	if cap(l.line) > lineBuffer {
		l.line = nil // one long line is no reason to keep as much for all
	}
	line, err := l.in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, bodyError(err)
	}
	for l.line = l.line[:0]; ; line, err = l.in.ReadSlice('\n') {
		l.line = append(l.line, line...)
		// Escapes make a line longer than its event, up to six times; a topic or two come with it.
		if limit := 6*l.max + lineBuffer; len(l.line) > limit {
			return nil, problem(http.StatusRequestEntityTooLarge, problemTooLarge, "a line has at most %d bytes here", limit)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.line, bodyError(err)
		}
	}
}

// bodyError is why a body cannot be read on.
func bodyError(err error) error {
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return brokenBody(err)
}

// line is what a line may have. What goes out comes in again: id, time and topic of the envelope are known, and ignored where
// they are the hub's to say.
type line struct {
	Data     json.RawMessage `json:"data"`
	Type     string          `json:"type"`
	Topic    *string         `json:"topic"`
	Topics   []string        `json:"topics"`
	Key      string          `json:"key"`
	Encoding string          `json:"encoding"`
	End      bool            `json:"end"`

	ID   json.RawMessage `json:"id"`
	Time json.RawMessage `json:"time"`
}

// parseLine returns the event of a line. Its topics are those of the request if it names none.
func parseLine(text []byte, pub *publication) (e Event, err error) {
	var l line
	if !scanLine(text, &l) {
		if l, err = decodeLine(text); err != nil {
			return e, err
		}
	}
	if len(l.Key) > maxKey {
		return e, invalidLine("its key has %d bytes, at most %d are taken", len(l.Key), maxKey)
	}
	e = Event{Topics: l.names(pub.topics), Type: cmp.Or(l.Type, pub.typ), Key: l.Key, End: l.End}
	if err := pub.allowed(e.Topics); err != nil {
		return e, err
	}
	e.Data, e.Binary, err = l.content()
	return e, err
}

// decodeLine reads any line.
func decodeLine(text []byte) (l line, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return l, invalidLine("%v", jsonReason(err))
	}
	if rest := text[decoder.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return l, invalidLine("something follows after the object: %.40q", rest)
	}
	return l, nil
}

// names returns the topics of a line, the canonical one first; those of the request if it names none.
func (l *line) names(standard []string) []string {
	switch {
	case l.Topic == nil && l.Topics == nil:
		return standard
	case l.Topic == nil || len(l.Topics) > 0 && l.Topics[0] == *l.Topic:
		return l.Topics
	}
	return append([]string{*l.Topic}, slices.DeleteFunc(l.Topics, func(t string) bool { return t == *l.Topic })...)
}

// content returns the data of a line: the text of a string, bytes if it says so, any other JSON value as it is.
func (l *line) content() (data string, binary bool, err error) {
	isText := len(l.Data) > 0 && l.Data[0] == '"'
	switch {
	case l.Encoding != "" && l.Encoding != textEncoding && l.Encoding != binaryEncoding:
		return "", false, invalidLine("its encoding is %.40q; there are utf-8 and base64", l.Encoding)
	case l.Data == nil && !l.End:
		return "", false, invalidLine("it has no data; say \"data\":\"\" if that is meant")
	case !isText && l.Data != nil && l.Encoding == binaryEncoding:
		return "", false, invalidLine("its data is no string, so it is no base64")
	case !isText:
		return string(l.Data), l.Encoding == binaryEncoding, nil
	}
	if data, err = unquote(l.Data); err != nil {
		return "", false, invalidLine("its data cannot be read: %v", err)
	}
	if l.Encoding == binaryEncoding {
		data, err = decodeBase64(data)
		return data, true, err
	}
	return data, false, nil
}

func jsonReason(err error) string {
	if typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s is a %s", orElseText(typeErr.Field, "it"), typeErr.Value)
	}
	return err.Error()
}

func orElseText(text, standard string) string {
	if text == "" {
		return standard
	}
	return text
}

func invalidLine(format string, args ...any) *Problem {
	return problem(http.StatusBadRequest, problemInvalidEvent,
		"the line is no event such as {\"topic\":\"news\",\"data\":\"hello\"}: %s", fmt.Sprintf(format, args...))
}
