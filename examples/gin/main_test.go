package main

import (
	"os"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/tidings-sse/tidings/examples/internal/streamtest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

func TestStreamsThroughGin(t *testing.T) { streamtest.Run(t, router) }
