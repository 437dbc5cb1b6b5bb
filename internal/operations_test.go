package internal_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/inkan-auth/inkan/internal/domain/policy"
)

// Every number of the policy that an operator may set is told to her.
func TestEveryPolicyNumberIsTold(t *testing.T) {
	b, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, c := range policy.Chapters {
		for _, n := range c.Numbers {
			if told++; !regexp.MustCompile("(?m)(^|`)" + n.Name + "\\b").Match(b) {
				t.Errorf("docs/operations.md does not tell of %s", n.Name)
			}
		}
	}
	if told < 40 {
		t.Errorf("only %d numbers", told)
	}
}
