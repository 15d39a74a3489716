package hub

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// openAPI describes the hub's HTTP interface.
//
//go:embed openapi.yaml
var openAPI string

// openAPITag is the entity tag of openAPI.
var openAPITag = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(openAPI))
	return fmt.Sprintf(`"%x"`, sum[:8])
})

// serveOpenAPI answers with the description of the hub's HTTP interface.
func serveOpenAPI(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", openAPITag())
	if strings.Contains(strings.Join(r.Header.Values("If-None-Match"), ","), openAPITag()) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", "application/yaml") // RFC 9512
	_, _ = w.Write([]byte(openAPI))                // an error means that the client has disconnected
	return nil
}
