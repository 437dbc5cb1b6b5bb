// Package e2e drives the real binary in a real browser. Its tests have the build tag browser: go test -tags browser ./e2e
package e2e
