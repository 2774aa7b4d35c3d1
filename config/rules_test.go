package config

import "testing"

func TestIsRedis(t *testing.T) {
	for _, text := range []string{
		"redis:6379", "10.0.0.7:6379", "[::1]:6379", "redis-1.internal:1", "redis://redis", "redis://redis/", "redis://redis:6379/15",
		"rediss://:pa55@redis", "rediss://ada:p%23%2F%3F%40@redis:6380/0?dial_timeout=1s", "redis://[2001:db8::1]:6379",
	} {
		t.Run("takes "+text, func(t *testing.T) {
			if !isRedis(text) {
				t.Error("it does not") // what it refuses is in TestLoad_brokenValue
			}
		})
	}
}
