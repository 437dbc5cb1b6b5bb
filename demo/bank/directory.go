package bank

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
)

// institution is a bank that money can be sent to. All of them, their branches and the people are made up.
type institution struct {
	Code, Name, NameEn string
	Branches           []branch
}

type branch struct {
	Code, Name, NameEn string
}

// ownCode is this bank among them; its branches are those where the accounts of its customers are.
const ownCode = "0990"

var directory = []institution{
	{ownCode, "印鑑銀行", "Inkan Bank", []branch{{"101", "本店営業部", "Head office"}, {"102", "東町支店", "East Town"}, {"103", "駅前支店", "Station"}, {"104", "港支店", "Harbour"}}},
	{"0991", "みどり銀行", "Midori Bank", []branch{{"001", "本店営業部", "Head office"}, {"011", "駅前支店", "Station"}, {"024", "若葉台支店", "Wakabadai"}, {"035", "森の里支店", "Morinosato"}}},
	{"0992", "しろがね銀行", "Shirogane Bank", []branch{{"100", "本店", "Head office"}, {"112", "月見坂支店", "Tsukimizaka"}, {"207", "白川支店", "Shirakawa"}}},
	{"0993", "しおかぜ信用金庫", "Shiokaze Shinkin", []branch{{"001", "本店", "Head office"}, {"006", "浜通り支店", "Hamadori"}, {"009", "灯台前支店", "Todaimae"}}},
	{"0994", "ほしぞら信用組合", "Hoshizora Credit Union", []branch{{"001", "本店", "Head office"}, {"003", "天の川支店", "Amanogawa"}}},
}

// In gives the name in the language of the page: in English the Japanese name follows, because that is what the app shows.
func (i institution) In(lang string) string { return both(lang, i.Name, i.NameEn) }

// In gives the name in the language of the page.
func (b branch) In(lang string) string { return both(lang, b.Name, b.NameEn) }

func both(lang, ja, en string) string {
	if lang == "en" {
		return en + " (" + ja + ")"
	}
	return ja
}

func findBank(code string) (institution, bool) {
	i := slices.IndexFunc(directory, func(x institution) bool { return x.Code == code })
	if i < 0 {
		return institution{}, false
	}
	return directory[i], true
}

func (i institution) branch(code string) (branch, bool) {
	n := slices.IndexFunc(i.Branches, func(x branch) bool { return x.Code == code })
	if n < 0 {
		return branch{}, false
	}
	return i.Branches[n], true
}

// accountTypes are the kinds of account that money can be sent to, by the names that the transaction API knows.
var accountTypes = []string{"ordinary", "current", "savings"}

// payee is where money goes: an account, and whose it is by the inquiry. It is compared as a value.
type payee struct {
	Bank, Branch, Type, Number string // Codes, and the account's number.
	Name                       string // In kana, as the other bank answers.
}

// account is the payee's name in the ledger if the account is here.
func (p payee) account() string { return p.Branch + "-" + p.Type + "-" + p.Number }

// fields is the payee in the words of the transaction API.
func (p payee) fields() map[string]string {
	bank, _ := findBank(p.Bank)
	branch, _ := bank.branch(p.Branch)
	return map[string]string{"payee.bank": bank.Name, "payee.bank_code": bank.Code, "payee.branch": branch.Name, "payee.branch_code": branch.Code,
		"payee.type": p.Type, "payee.account": p.Number, "payee.name": p.Name}
}

// sameAccount says whether both are one account, whatever its holder was called when it was asked for.
func (p payee) sameAccount(q payee) bool {
	p.Name = q.Name
	return p == q
}

var (
	familyKana  = []string{"アオキ", "イシダ", "ウエノ", "オガワ", "カワムラ", "キノシタ", "クボタ", "コバヤシ", "サカモト", "シミズ", "タナベ", "ツチヤ", "ナカガワ", "ニシムラ", "ハラダ", "フジモト", "マツイ", "ミヤザワ", "モリタ", "ヨシオカ"}
	givenKana   = []string{"アキラ", "イズミ", "カオリ", "ケンジ", "サトコ", "シゲル", "タカシ", "チエコ", "ナオキ", "ノリコ", "ハルカ", "ヒロシ", "マコト", "ミドリ", "ユウコ", "ヨシオ"}
	companyKana = []string{"カ)アサギリショウジ", "カ)ツバメケンセツ", "ド)ヒナタコウボウ", "ユ)ヤマネコウンユ", "フク)コノハカイ"}
)

// made answers the name inquiry for accounts that nobody of the demonstration has: always the same name for the same account. Numbers that end in 00 do not exist.
func made(p payee) (string, bool) {
	if strings.HasSuffix(p.Number, "00") {
		return "", false
	}
	h := sha256.Sum256([]byte("holder of " + p.Bank + p.account()))
	n := func(i int) int { return int(binary.BigEndian.Uint32(h[i*4:]) >> 1) }
	if p.Type == "current" {
		return companyKana[n(0)%len(companyKana)], true
	}
	return familyKana[n(0)%len(familyKana)] + " " + givenKana[n(1)%len(givenKana)], true
}
