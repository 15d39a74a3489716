package main

import (
	"testing"

	"github.com/tidings-sse/tidings/examples/internal/streamtest"
)

func TestStreamsThroughChi(t *testing.T) { streamtest.Run(t, router) }
