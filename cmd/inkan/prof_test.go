package main

import (
	"context"
	"os"
	"runtime/pprof"
	"testing"
	"time"
)

func TestProf(t *testing.T) {
	e := os.Getenv("PROF")
	if e == "" {
		t.Skip()
	}
	b := benchFlags{tokens: 20000}
	w, err := newBenchWorld(context.Background(), e, b)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	f, _ := os.Create("/tmp/prof." + e)
	r, err := w.raw(context.Background(), 32, 2*time.Second)
	t.Log("raw32", r, err)
	r, err = w.raw(context.Background(), 1, 2*time.Second)
	t.Log("raw1", r, err)
	pprof.StartCPUProfile(f)
	s, err := w.load(context.Background(), 64, 4*time.Second)
	pprof.StopCPUProfile()
	f.Close()
	t.Log("load64", s, err)
	r, err = w.raw(context.Background(), 32, 2*time.Second)
	t.Log("raw32", r, err)
	s, err = w.load(context.Background(), 64, 2*time.Second)
	t.Log("load64", s, err)
	t0 := time.Now()
	p, err := w.prove(context.Background())
	t.Log(p, err, time.Since(t0))
}
