package acme

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

// TestCAIsAskedAgainAfterARefusalThatIsFinal: certmagic does not try again if its check with the test server succeeded and the CA refused. The reason
// may be gone an hour later. The tests with a CA are in module deploy.
func TestCAIsAskedAgainAfterARefusalThatIsFinal(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want int64
	}{
		"final":                           {certmagic.ErrNoRetry{Err: errors.New("no")}, 1},
		"certmagic tries again by itself": {errors.New("no"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := New(Options{Domains: []string{"hub.example.com"}, Folder: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				m.ask = func(string) { asked.Add(1) }
				m.failed("hub.example.com", false, test.err)
				time.Sleep(retryObtain - time.Second)
				if asked.Load() != 0 || m.Status()[0].Err == nil {
					t.Errorf("asked %d times before; the state is %+v", asked.Load(), m.Status())
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if asked.Load() != test.want {
					t.Errorf("asked %d times, want %d", asked.Load(), test.want)
				}
			})
		})
	}
}
