module github.com/tidings-sse/tidings/chaos

go 1.26.0

replace github.com/tidings-sse/tidings => ../

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/google/go-cmp v0.7.0
	github.com/tidings-sse/tidings v0.0.0-00010101000000-000000000000
)

require golang.org/x/text v0.44.0 // indirect
