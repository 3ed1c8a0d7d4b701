package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

var (
	sha256New = sha256.New
	sha512New = sha512.New
)

// scram is a client's side of RFC 5802, which Sarama leaves to its users.
type scram struct {
	hash             func() hash.Hash
	user, password   string
	bare, nonce      string
	step             int
	expectedVerifier string
}

func (s *scram) Begin(user, password, _ string) error {
	s.user, s.password, s.step = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user), password, 0
	return nil
}

func (s *scram) Done() bool { return s.step == 3 }

func (s *scram) code(key []byte, text string) []byte {
	made := hmac.New(s.hash, key)
	made.Write([]byte(text))
	return made.Sum(nil)
}

// salted is PBKDF2 with one block, as long as the hash.
func (s *scram) salted(salt []byte, rounds int) []byte {
	block := s.code([]byte(s.password), string(salt)+"\x00\x00\x00\x01")
	made := append([]byte(nil), block...)
	for i := 1; i < rounds; i++ {
		block = s.code([]byte(s.password), string(block))
		for j := range made {
			made[j] ^= block[j]
		}
	}
	return made
}

func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		bytes := make([]byte, 18)
		if _, err := rand.Read(bytes); err != nil {
			return "", err
		}
		s.nonce = base64.StdEncoding.EncodeToString(bytes)
		s.bare = "n=" + s.user + ",r=" + s.nonce
		return "n,," + s.bare, nil
	case 2:
		given := map[string]string{}
		for _, part := range strings.Split(challenge, ",") {
			if len(part) > 2 {
				given[part[:1]] = part[2:]
			}
		}
		salt, err := base64.StdEncoding.DecodeString(given["s"])
		rounds, wrong := strconv.Atoi(given["i"])
		if err != nil || wrong != nil || !strings.HasPrefix(given["r"], s.nonce) {
			return "", fmt.Errorf("what is this challenge: %s", challenge)
		}
		salted := s.salted(salt, rounds)
		without := "c=biws,r=" + given["r"]
		words := s.bare + "," + challenge + "," + without
		key := s.code(salted, "Client Key")
		stored := s.hash()
		stored.Write(key)
		signature := s.code(stored.Sum(nil), words)
		for i := range key {
			key[i] ^= signature[i]
		}
		s.expectedVerifier = "v=" + base64.StdEncoding.EncodeToString(s.code(s.code(salted, "Server Key"), words))
		return without + ",p=" + base64.StdEncoding.EncodeToString(key), nil
	default:
		if challenge != s.expectedVerifier {
			return "", errors.New("the broker does not know the password: " + challenge)
		}
		return "", nil
	}
}
