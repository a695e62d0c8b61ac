// Answers SYNs for a whole network out of the driver, as `bench/src/compare/world.rs` says.
//
// Whatever needs a timer, a count or a second frame goes up to the responder in user space; what
// is for the link's own address goes up to the kernel.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))

struct xdp_md {
    u32 data;
    u32 data_end;
    u32 data_meta;
    u32 ingress_ifindex;
    u32 rx_queue_index;
    u32 egress_ifindex;
};

enum { ABORTED = 0, DROP = 1, PASS = 2, TX = 3 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static u32 (*const prandom_u32)(void) = (void *)7;
static long (*const adjust_tail)(struct xdp_md *ctx, int delta) = (void *)65;

// In the order of `World::parameters`.
enum {
    SEED,
    NETWORK,
    MASK,
    ALIVE,
    OPEN,
    SILENT,
    EVERYTHING,
    SLOW,
    TWICE,
    LIMITED,
    LOSS_IN,
    LOSS_OUT,
    PARAMETERS
};
const volatile u64 WORLD[PARAMETERS] = {};

struct frame {
    u8 target[6];
    u8 source[6];
    u16 type;
    u8 version;
    u8 tos;
    u16 len;
    u16 id;
    u16 fragment;
    u8 ttl;
    u8 protocol;
    u16 ip_checksum;
    u16 from[2];
    u16 to[2];
    u16 source_port;
    u16 target_port;
    u16 sequence[2];
    u16 acknowledgment[2];
    u8 offset;
    u8 flags;
    u16 window;
    u16 checksum;
    u16 urgent;
} __attribute__((packed, aligned(2)));

// One step of splitmix64.
static __attribute__((always_inline)) u64 mix(u64 z)
{
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static __attribute__((always_inline)) u16 fold(u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}

// Is this one of `parts` in 2^32?
static __attribute__((always_inline)) int hit(u64 hash, u64 parts)
{
    return (hash >> 32) < parts;
}

SECTION("xdp")
int respond(struct xdp_md *ctx)
{
    struct frame *f = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    if ((void *)(f + 1) > end)
        return PASS;
    if (f->type != __builtin_bswap16(0x0800) || f->version != 0x45 || f->protocol != 6)
        return PASS;
    u32 addr = (u32)__builtin_bswap16(f->to[0]) << 16 | __builtin_bswap16(f->to[1]);
    if ((addr & (u32)WORLD[MASK]) != (u32)WORLD[NETWORK])
        return PASS;
    if ((f->flags & (SYN | ACK | RST | FIN)) != SYN)
        return DROP;
    if (WORLD[LOSS_IN] && prandom_u32() < WORLD[LOSS_IN])
        return DROP;

    u64 host = mix(WORLD[SEED] ^ addr);
    if (!hit(host, WORLD[ALIVE]))
        return DROP;
    u64 kind = mix(host ^ 1) >> 32;
    u64 bound = WORLD[EVERYTHING];
    int open;
    if (kind < bound) {
        open = 1;
    } else {
        bound += WORLD[SLOW] + WORLD[TWICE] + WORLD[LIMITED];
        if (kind < bound)
            return PASS;
        u64 port = mix(host ^ (u64)__builtin_bswap16(f->target_port) << 16);
        u64 place = port >> 32;
        open = place < WORLD[OPEN];
        if (!open && place < WORLD[OPEN] + WORLD[SILENT])
            return DROP;
    }
    if (WORLD[LOSS_OUT] && prandom_u32() < WORLD[LOSS_OUT])
        return DROP;

    for (int i = 0; i < 6; i++) {
        u8 octet = f->target[i];
        f->target[i] = f->source[i];
        f->source[i] = octet;
    }
    for (int i = 0; i < 2; i++) {
        u16 word = f->from[i];
        f->from[i] = f->to[i];
        f->to[i] = word;
    }
    u16 swap = f->source_port;
    f->source_port = f->target_port;
    f->target_port = swap;
    u32 sequence = (u32)__builtin_bswap16(f->sequence[0]) << 16 | __builtin_bswap16(f->sequence[1]);
    sequence += 1;
    f->acknowledgment[0] = __builtin_bswap16(sequence >> 16);
    f->acknowledgment[1] = __builtin_bswap16(sequence & 0xffff);
    f->sequence[0] = open ? (u16)host : 0;
    f->sequence[1] = open ? (u16)(host >> 16) : 0;
    f->offset = 0x50;
    f->flags = open ? SYN | ACK : RST | ACK;
    f->window = open ? 0xffff : 0;
    f->urgent = 0;
    f->len = __builtin_bswap16(40);
    f->id = 0;
    f->tos = 0;
    f->fragment = __builtin_bswap16(0x4000);
    f->ttl = 64;
    f->ip_checksum = 0;
    f->checksum = 0;

    u32 addrs = (u32)f->from[0] + f->from[1] + f->to[0] + f->to[1];
    u32 header = addrs + __builtin_bswap16(0x4500) + f->len + f->fragment + __builtin_bswap16(0x4006);
    f->ip_checksum = fold(header);
    u32 segment = addrs + __builtin_bswap16(6) + __builtin_bswap16(20) + f->source_port +
              f->target_port + f->sequence[0] + f->sequence[1] + f->acknowledgment[0] +
              f->acknowledgment[1] + f->window;
    // Offset and flags lie in memory one after the other: one word.
    segment += (u32)f->offset | (u32)f->flags << 8;
    f->checksum = fold(segment);

    int delta = (int)sizeof(struct frame) - (int)((long)end - (long)f);
    if (delta < 0 && adjust_tail(ctx, delta))
        return ABORTED;
    return TX;
}

SECTION("license")
const char license_text[] = "Dual MIT/GPL";
