// Command cluster starts three hubs that share one log, with a page whose EventSource does not notice when one of them dies:
//
//	go run ./cluster
//
// The page at http://localhost:3000 shows a counter that a publisher in this process increments, and a button for each hub that kills its
// process (SIGKILL). A killed hub starts again after a few seconds. The page counts what it missed and what it got twice: nothing.
//
//	hubs.go      the three processes of tidings serve
//	balancer.go  sends each request to a hub that is ready, as a load balancer does
//	counter.go   publishes the numbers
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed index.html
var page []byte

func main() {
	addr := flag.String("addr", "localhost:3000", "address of the page")
	program := flag.String("tidings", "", "path of the program tidings; by default it is built from this repository")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ports, err := freePorts(2 * hubCount)
	if err == nil {
		err = run(ctx, *addr, *program, ports)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run serves the page until ctx ends, with hubs on the ports.
func run(ctx context.Context, addr, program string, ports []int) error {
	dir, err := os.MkdirTemp("", "tidings-cluster-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // only the events of this run
	if program == "" {
		program = filepath.Join(dir, "tidings")
		if err := build(ctx, program); err != nil {
			return fmt.Errorf("building tidings: %w", err)
		}
	}
	hubs, err := startHubs(program, dir, ports)
	if err != nil {
		return err
	}
	defer hubs.stop()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // the browser has gone if it fails
	})
	mux.HandleFunc("GET /hubs", hubs.list)
	mux.HandleFunc("POST /hubs/{name}/kill", hubs.kill)
	mux.Handle("/events/", newBalancer(hubs.all))
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go publish(ctx, "http://"+addr+"/events/counter")
	go func() {
		<-ctx.Done()
		_ = server.Close() // streams would not end by themselves
	}()
	fmt.Printf("three hubs are starting, which takes some seconds; open http://%s\n", addr)
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}

// build builds the program from the module that this one replaces.
func build(ctx context.Context, program string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tidings-sse/tidings").Output()
	if err != nil {
		return fmt.Errorf("the source of tidings is not known here: run this in the folder examples of its repository, or name the program by -tidings (%w)", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(root)), "-o", program, "./cmd/tidings")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
