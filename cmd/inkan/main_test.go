package main

import (
	"testing"

	"github.com/inkan-auth/inkan/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
