package telephone

import (
	"slices"
	"testing"
)

func TestFiguresAreFoundInWhatIsSaid(t *testing.T) {
	for in, want := range map[string][]part{
		"確認番号は、1、2、3。4、5、6です。":              {{Text: "確認番号は、"}, {Text: "123 456", Code: true}, {Text: "です。"}},
		"The code is: 1, 2, 3; 4, 5, 6.":    {{Text: "The code is: "}, {Text: "123 456", Code: true}, {Text: "."}},
		"番号は 123456 です":                     {{Text: "番号は "}, {Text: "123 456", Code: true}, {Text: " です"}},
		"0120-000-000へ":                     {{Text: "0120-000-000", Number: true}, {Text: "へ"}},
		"6桁の番号、10分間":                        {{Text: "6桁の番号、10分間"}},
		"はじめに、1、8、6をつけて":                    {{Text: "はじめに、1、8、6をつけて"}},
		"with 1 8 6 in front of our number": {{Text: "with 1 8 6 in front of our number"}},
	} {
		if got := split(in); !slices.Equal(got, want) {
			t.Errorf("split(%q) = %+v", in, got)
		}
	}
}
