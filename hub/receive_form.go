package hub

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/internal/wire"
)

const (
	formLeast    = 4 << 20  // bytes that every form may have
	formPerTopic = 4 << 10  // bytes for each topic that a form may name; the longest name has 3 KiB when all of it is escaped
	longestParam = 64 << 10 // bytes of a parameter in a form
)

// ReadForm reads the form in the body of a QUERY, for lists of topics that are too long for a URL. It calls add with each parameter,
// name=value, as the client has escaped it. Meanwhile the request counts as a stream in the limits, but Shutdown does not wait for it.
// Errors are a [*Problem], and those of add.
func (h *Hub) ReadForm(w http.ResponseWriter, r *http.Request, grant *access.Grant, add func(param string) error) error {
	from := h.addressOf(r)
	if err := h.limits.enter(r.ProtoMajor == 1, from, grant); err != nil {
		return err
	}
	defer h.limits.exit(r.ProtoMajor == 1, from, grant)
	rent := rent{memory: h.bodies, from: from, grant: grant}
	defer rent.end()
	sent, err := payloadOf(r.Header)
	if err != nil {
		return err
	}
	if sent.kind != wire.MediaForm {
		return NewProblem(http.StatusUnsupportedMediaType, wire.ProblemUnsupportedMedia, "the body of a QUERY must be a form, application/x-www-form-urlencoded, with the parameters of a GET")
	}
	limit := max(formLeast, int64(h.opts.MaxTopics)*formPerTopic)
	form, end := openBody(r.Body, &sent, 2*limit+codingOverhead, &rent)
	defer end()
	meter := &meter{in: form, most: limit, take: rent.take, rent: &rent} // all parameters are kept: it is never renewed
	err = readForm(http.MaxBytesReader(w, io.NopCloser(meter), limit), meter, add)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge, "the form is larger than the limit of %d bytes", limit)
	}
	return err
}

// readForm parses parameters one at a time, so that the whole form is never in memory.
func readForm(body io.Reader, m *meter, add func(string) error) error {
	in := newPieces(body, m, '&', longestParam)
	defer in.close()
	for {
		part, err := in.next()
		_, tooLarge := errors.AsType[*http.MaxBytesError](err)
		switch {
		case errors.Is(err, errLongPiece):
			return NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge, "a parameter of the form has at most %d bytes", longestParam)
		case tooLarge:
			return err
		case err != nil && !atEnd(err):
			return brokenBody(err)
		}
		last := err != nil
		if err := add(strings.TrimSuffix(string(part), "&")); err != nil || last {
			return err
		}
	}
}
