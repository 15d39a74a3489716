package main

import (
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/tidings-sse/tidings/sse"
)

// poll counts votes. What goes to the pages is the state, not each vote: a page that was away or is slow has nothing
// to catch up with.
type poll struct {
	mu      sync.Mutex // guards the following
	choices []choice
	changed chan struct{} // closed and replaced when a vote comes in
}

type choice struct {
	Name  string
	Votes int
}

func newPoll(names ...string) *poll {
	p := &poll{changed: make(chan struct{})}
	for _, name := range names {
		p.choices = append(p.choices, choice{Name: name})
	}
	return p
}

// fragment is the HTML that an event carries. htmx gives life to the buttons each time.
var fragment = template.Must(template.New("").Parse(`{{range .}}
<tr>
	<th><button name="for" value="{{.Name}}" hx-post="/votes" hx-swap="none">{{.Name}}</button></th>
	<td><meter max="20" value="{{.Votes}}"></meter></td>
	<td>{{.Votes}}</td>
</tr>{{end}}`))

// events sends the votes whenever they change, at first as they are.
func (p *poll) events() http.Handler {
	return sse.Handler(nil, func(s *sse.Stream) error {
		for {
			html, changed, err := p.render()
			if err != nil {
				return err
			}
			if err := s.Send(sse.Event{Type: "votes", Data: html}); err != nil {
				return err
			}
			select {
			case <-changed:
			case <-s.Context().Done():
				return nil
			}
		}
	})
}

// render returns the votes as HTML and a channel that is closed when they are no longer those.
func (p *poll) render() (html string, changed <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	err = fragment.Execute(&b, p.choices)
	return b.String(), p.changed, err
}

func (p *poll) vote(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.choices {
		if p.choices[i].Name == r.PostFormValue("for") {
			p.choices[i].Votes++
			close(p.changed)
			p.changed = make(chan struct{})
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	http.Error(w, "there is no such choice", http.StatusNotFound)
}
