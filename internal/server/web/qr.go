package web

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// Square is a QR code as one path of an SVG picture, in modules, with the quiet zone around it.
type Square struct {
	Size int
	Path string
}

const quietZone = 4

// DrawQR draws a text as a QR code. Runs of dark modules are drawn at once, which keeps the picture small.
func DrawQR(text string) (Square, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return Square{}, err
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, run, run)
				x += run
			}
		}
	}
	return Square{code.Size + 2*quietZone, b.String()}, nil
}
