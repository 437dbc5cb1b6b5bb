package main

import (
	"context"
	"io"
)

func benchStart(ctx context.Context, args []string, stdout, stderr io.Writer) error { return nil }
