package main

import (
	"context"
	"math"
	"net"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	psnet "github.com/shirou/gopsutil/v4/net"
)

// hostSample is the data of a host event: the load of this machine. Numbers that the system does not provide are left out.
type hostSample struct {
	Time    time.Time    `json:"time"`
	CPU     *float64     `json:"cpu,omitempty"`   // percent of all processors, since the previous sample
	Load1   *float64     `json:"load1,omitempty"` // running and waiting processes, averaged over a minute
	Memory  *hostMemory  `json:"memory,omitempty"`
	Network *hostNetwork `json:"network,omitempty"`
}

// hostMemory is memory in bytes.
type hostMemory struct {
	Used  uint64 `json:"used"`
	Total uint64 `json:"total"`
}

// hostNetwork is network traffic in bytes, of all interfaces except the loopback, since they were started. The rates are bytes per second since
// the previous sample.
type hostNetwork struct {
	Received     uint64 `json:"received"`
	Sent         uint64 `json:"sent"`
	ReceivedRate uint64 `json:"receivedRate"`
	SentRate     uint64 `json:"sentRate"`
}

// host takes samples of this machine. It keeps the previous counters to compute rates.
type host struct {
	busy, total float64 // processor seconds
	network     *hostNetwork
	at          time.Time
}

// newHost takes one sample, so that the next one has rates.
func newHost(ctx context.Context) *host {
	h := new(host)
	h.sample(ctx)
	return h
}

func (h *host) sample(ctx context.Context) hostSample {
	now := time.Now()
	s := hostSample{Time: now.Round(time.Millisecond), CPU: h.cpu(ctx), Network: h.traffic(ctx, now.Sub(h.at))}
	if avg, err := load.AvgWithContext(ctx); err == nil {
		s.Load1 = &avg.Load1
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil && m.Total > 0 {
		s.Memory = &hostMemory{Used: m.Used, Total: m.Total}
	}
	h.at = now
	return s
}

// cpu returns the CPU usage since the last call, in percent with one decimal.
func (h *host) cpu(ctx context.Context) *float64 {
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(times) == 0 {
		return nil
	}
	t := times[0]
	idle := t.Idle + t.Iowait
	busy := t.User + t.Nice + t.System + t.Irq + t.Softirq + t.Steal // user and nice include guests
	dBusy, dTotal := busy-h.busy, busy+idle-h.total
	h.busy, h.total = busy, busy+idle
	percent := 0.0
	if dTotal > 0 {
		percent = math.Round(1000*min(max(dBusy/dTotal, 0), 1)) / 10
	}
	return &percent
}

func (h *host) traffic(ctx context.Context, since time.Duration) *hostNetwork {
	counters, err := psnet.IOCountersWithContext(ctx, true)
	if err != nil {
		return nil
	}
	n := new(hostNetwork)
	for _, c := range counters {
		if nic, err := net.InterfaceByName(c.Name); err == nil && nic.Flags&net.FlagLoopback != 0 {
			continue
		}
		n.Received += c.BytesRecv
		n.Sent += c.BytesSent
	}
	if h.network != nil {
		n.ReceivedRate = rate(h.network.Received, n.Received, since)
		n.SentRate = rate(h.network.Sent, n.Sent, since)
	}
	h.network = n
	return n
}

// rate returns the increase of a counter per second. A counter that decreased, because an interface was removed, has rate 0.
func rate(before, after uint64, since time.Duration) uint64 {
	if after < before || since <= 0 {
		return 0
	}
	return uint64(float64(after-before) / since.Seconds())
}
