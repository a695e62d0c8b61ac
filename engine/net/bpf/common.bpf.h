// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What the programs in the kernel have in common. Only clang is needed to compile them: what the
// kernel promises is declared here, from linux/bpf.h.

#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};
#define XDP_DROP 1
#define XDP_PASS 2
static void *(*const map_lookup)(const void *map, const void *key) = (void *)1;

#define ALWAYS static inline __attribute__((always_inline))

#define ETHERNET_LEN 14
#define IPV4_LEN 20
#define IPV6_LEN 40

// cookie.rs: SipHash-2-4 of 20 octets
#define ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))
#define SIP_ROUND                                                       \
	do {                                                            \
		a += b, b = ROTATE(b, 13) ^ a, a = ROTATE(a, 32);       \
		c += d, d = ROTATE(d, 16) ^ c;                          \
		a += d, d = ROTATE(d, 21) ^ a;                          \
		c += b, b = ROTATE(b, 17) ^ c, c = ROTATE(c, 32);       \
	} while (0)
#define SIP_WORD(word)            \
	do {                      \
		u64 m = (word);   \
		d ^= m;           \
		SIP_ROUND;        \
		SIP_ROUND;        \
		a ^= m;           \
	} while (0)

ALWAYS u64 cookie_of(const u64 *sip, u64 high, u64 low, u64 port, u64 pass)
{
	u64 a = sip[0], b = sip[1], c = sip[2], d = sip[3];

	SIP_WORD(__builtin_bswap64(high));
	SIP_WORD(__builtin_bswap64(low));
	// port, protocol 6, pass; the length on top
	SIP_WORD(port >> 8 | (port & 0xff) << 8 | 6 << 16 | pass << 24 | 20ULL << 56);
	c ^= 0xff;
	SIP_ROUND;
	SIP_ROUND;
	SIP_ROUND;
	SIP_ROUND;
	return a ^ b ^ c ^ d;
}
