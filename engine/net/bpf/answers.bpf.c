// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Takes a scan's TCP answers out of the driver, before this host's own stack sees them.
//
// It takes what proves by its cookie that it answers a probe of the scan, puts it into a ring that
// the engine reads, and lets everything else go on: what it does not understand, what proves
// nothing, and what finds the ring full is seen by the packet socket, as without it.

#include "common.bpf.h"

static u64 (*const monotonic_nanos)(void) = (void *)5;
static void *(*const reserve)(const void *ring, u64 len, u64 flags) = (void *)131;
static void (*const submit)(void *record, u64 flags) = (void *)132;

#define PASSES_MAX 16
#define FRAME_LEN_MAX 128
#define TCP 6
#define ACK 0x10

struct scan {
	u64 sip[4];
	u64 port_first;
	u64 port_count;
	u64 passes;
};

// As in link/answers/mod.rs.
struct record {
	u64 at_nanos;
	u64 len;
	u64 frame[FRAME_LEN_MAX / 8];
};

// Named by relocations, filled in when the program is loaded.
extern const struct scan scan;
extern const u8 heard;

ALWAYS u16 get16(const u8 *at) { return __builtin_bswap16(*(const u16 *)at); }
ALWAYS u32 get32(const u8 *at) { return __builtin_bswap32(*(const u32 *)at); }
ALWAYS u64 get64(const u8 *at) { return __builtin_bswap64(*(const u64 *)at); }

// receive.rs: what proves a TCP answer. SYN and FIN count one; some stacks acknowledge no further
// than the probe's own number.
ALWAYS int is_proven(const struct scan *s, u64 high, u64 low, u64 from, u64 to, u32 acknowledged)
{
#pragma clang loop unroll(disable)
	for (u64 pass = 0; pass < PASSES_MAX; pass++) {
		if (pass >= s->passes)
			return 0;
		u64 cookie = cookie_of(s->sip, high, low, from, pass);
		if (acknowledged - (u32)cookie <= 1)
			return to == s->port_first + (cookie >> 32 & 0xffff) % s->port_count;
	}
	return 0;
}

__attribute__((section("xdp"), used)) int take(struct xdp_md *ctx)
{
	const struct scan *s = &scan;
	const u8 *frame = (u8 *)(u64)ctx->data, *end = (u8 *)(u64)ctx->data_end;
	const u8 *ip = frame + ETHERNET_LEN, *tcp;
	u64 high = 0, low;

	if (ip + IPV4_LEN > end)
		return XDP_PASS;
	u16 type = get16(frame + 12);
	if (type == 0x0800) {
		// No options, no fragment.
		if (ip[0] != 0x45 || get16(ip + 6) & 0x3fff || ip[9] != TCP)
			return XDP_PASS;
		low = get32(ip + 12);
		tcp = ip + IPV4_LEN;
	} else if (type == 0x86dd) {
		if (ip + IPV6_LEN > end || ip[0] >> 4 != 6 || ip[6] != TCP)
			return XDP_PASS;
		high = get64(ip + 8);
		low = get64(ip + 16);
		tcp = ip + IPV6_LEN;
	} else {
		return XDP_PASS;
	}
	if (tcp + 20 > end || !(tcp[13] & ACK))
		return XDP_PASS;
	u64 from = get16(tcp), to = get16(tcp + 2);
	if (to - s->port_first >= s->port_count)
		return XDP_PASS;
	if (!is_proven(s, high, low, from, to, get32(tcp + 8)))
		return XDP_PASS;

	struct record *record = reserve(&heard, sizeof(*record), 0);
	if (!record)
		return XDP_PASS;
	record->at_nanos = monotonic_nanos();
	record->len = end - frame;
#pragma clang loop unroll(full)
	for (int i = 0; i < FRAME_LEN_MAX / 8; i++) {
		const u8 *at = frame + i * 8;
		u64 word = 0;
		if (at + 8 <= end) {
			word = *(const u64 *)at;
		} else {
#pragma clang loop unroll(full)
			for (int octet = 0; octet < 7; octet++)
				if (at + octet + 1 <= end)
					word |= (u64)at[octet] << octet * 8;
		}
		record->frame[i] = word;
	}
	submit(record, 0);
	return XDP_DROP;
}
