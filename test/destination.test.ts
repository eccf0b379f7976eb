import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkAddress, checkUrl, createDestinationPolicy, MAX_URL_LENGTH } from '../src/destination.js';

const publicOnly = createDestinationPolicy([]);
const everything = createDestinationPolicy(['0.0.0.0/0', '::/0']);
const loopback = createDestinationPolicy(['127.0.0.0/8', '::1/128']);

function problemOf(url: string, policy = publicOnly): string {
  const verdict = checkUrl(url, policy);
  return 'problem' in verdict ? verdict.problem : '';
}

describe('a URL is refused', () => {
  // Text as a user could send it; each class has its own sentence.
  const hostile: [sentence: RegExp, urls: string[]][] = [
    [
      /^must lead to a public address, got (127\.0\.0\.1, a loopback|0\.0\.0\.0, an unspecified) address$/,
      [
        'http://127.0.0.1/',
        'http://127.1/',
        'http://127.0.1/',
        'http://0.0.0.0/',
        'http://0/',
        'http://0177.0.0.1/',
        'http://0x7f.0.0.1/',
        'http://0x7f000001/',
        'http://017700000001/',
        'http://2130706433/',
        'http://%31%32%37.0.0.1/',
        'http://①②⑦.⓪.⓪.①/',
        'http://１２７.0.0.1/',
        'http://127。0。0。1/',
        'http://127.0.0.1./',
        'HTTP://127.0.0.1:8080/',
      ],
    ],
    [
      /^must not contain spaces, control characters or backslashes: percent-encode them$/,
      [
        'http://127.0.0.1\u00ad/',
        'http://1\n27.0.0.1/',
        '\thttp://127.0.0.1/',
        'http:\\\\127.0.0.1\\',
        'http://evil.com\\@127.0.0.1/',
        ' https://receiver.example/',
        'https://receiver.example/a b',
        'https://receiver.example/\u0000',
        'https://receiver.example/\u200b',
        'https://receiver.example/\u202egpj',
        'https://receiver.example/\ud800',
        'https://receiver\udfff.example/',
      ],
    ],
    [
      /^must lead to a public address, got "[^"]+", a loopback name$/,
      [
        'http://localhost/',
        'http://LOCALHOST/',
        'http://localhost./',
        'http://foo.localhost/',
        'http://l%6fcalhost/',
      ],
    ],
    [
      /^must lead to a public address, got "[^"]+", a cloud metadata name$/,
      ['http://metadata.google.internal/', 'http://METADATA.google.internal./computeMetadata/v1/'],
    ],
    [
      /^must name a host by its full name, with a dot, got "[^"]+"$/,
      ['http://intranet/', 'http://metadata/', 'http://redis:8080/'],
    ],
    [
      /^must not contain a user name or password: send a header instead$/,
      [
        'http://evil.com@127.0.0.1/',
        'http://user:pass@receiver.example/',
        'http://@receiver.example/',
        'http://receiver.example:80@127.0.0.1/',
      ],
    ],
    [
      /^must lead to a public address, got [0-9a-f:.]+, an? [\w (),0-9-]+ address$/,
      [
        'http://[::1]/',
        'http://[::]/',
        'http://[0:0:0:0:0:0:0:1]/',
        'http://[::ffff:127.0.0.1]/',
        'http://[::ffff:7f00:1]/',
        'http://[::127.0.0.1]/',
        'http://[64:ff9b::7f00:1]/',
        'http://[64:ff9b::8.8.8.8]/',
        'http://[64:ff9b:1::8.8.8.8]/',
        'http://[2002:7f00:1::]/',
        'http://[2002:808:808::]/',
        'http://[2001:0:808:808::1]/',
        'http://[fe80::1]/',
        'http://[fc00::1]/',
        'http://[fd12:3456::1]/',
        'http://[ff02::1]/',
        'http://[100::1]/',
        'http://[2001:db8::1]/',
        'http://[3fff::1]/',
      ],
    ],
    [
      /^must lead to a public address, got [0-9a-f:.]+, not a global unicast address$/,
      ['http://[5f00::1]/', 'http://[4000::1]/', 'http://[fec0::1]/', 'http://[::ffff:0:8.8.8.8]/'],
    ],
    [
      /^must lead to a public address, got [0-9a-f:.]+, a cloud metadata address$/,
      [
        'http://169.254.169.254/latest/meta-data/',
        'http://2852039166/',
        'http://0xa9fea9fe/',
        'http://[::ffff:a9fe:a9fe]/',
        'http://[::a9fe:a9fe]/',
        'http://[64:ff9b::a9fe:a9fe]/',
        'http://[2002:a9fe:a9fe::1]/',
        'http://[fd00:ec2::254]/',
        'http://100.100.100.200/',
        'http://168.63.129.16/',
      ],
    ],
    [
      /^must lead to a public address, got [\d.]+, an? [\w ()-]+ address$/,
      [
        'http://10.0.0.1/',
        'http://172.16.0.1/',
        'http://172.31.255.255/',
        'http://192.168.0.1/',
        'http://100.64.0.1/',
        'http://169.254.0.1/',
        'http://192.0.0.8/',
        'http://192.0.2.1/',
        'http://192.88.99.1/',
        'http://198.18.0.1/',
        'http://198.51.100.1/',
        'http://203.0.113.1/',
        'http://224.0.0.1/',
        'http://240.0.0.1/',
        'http://255.255.255.255/',
      ],
    ],
    [
      /^must start with "https:\/\/" or "http:\/\/", got ".*"$/,
      [
        '',
        'ftp://receiver.example/',
        'file:///etc/passwd',
        'unix:/var/run/docker.sock',
        'javascript:alert(1)',
        '//receiver.example/',
        'http:receiver.example',
        'http:/receiver.example',
        'receiver.example/hook',
      ],
    ],
    [/^must name a host, got ".*"$/, ['http://', 'http:///receiver.example', 'https://?a', 'http://./']],
    [
      /^must not use port \d+, which belongs to another protocol than HTTP$/,
      [
        22, 23, 25, 53, 110, 119, 135, 139, 143, 389, 445, 465, 587, 636, 993, 995, 1433, 1521, 2049, 3306,
        3389, 5432,
      ]
        .concat([5672, 6379, 6667, 9200, 11211, 27017])
        .map((port) => `http://receiver.example:${port}/`),
    ],
    [
      /^must have a port from 1 to 65535, got "\d+"$/,
      [
        'http://receiver.example:0/',
        'http://receiver.example:65536/',
        'http://receiver.example:99999999999/',
      ],
    ],
    [
      /^must be a valid URL, got ".*"$/,
      [
        'http://256.256.256.256/',
        'http://127.0.0.256/',
        'http://[fe80::1%25eth0]/',
        'http://[::1',
        'http://a..b:x/',
        'http://%00/',
        'http://xn--/',
      ],
    ],
    [/^must be at most 2048 characters, got \d+$/, [`https://receiver.example/${'a'.repeat(100_000)}`]],
    [/^must have a host name of at most 253 characters, got \d+$/, [`https://${'a.'.repeat(200)}example/`]],
  ];
  for (const [sentence, urls] of hostile) {
    test.each(urls.map((url) => [url.slice(0, 60)]))(`${sentence.source.slice(1, 50)}…: %j`, (start) => {
      expect(problemOf(urls.find((url) => url.startsWith(start))!)).toMatch(sentence);
    });
  }

  test('without repeating a password', () => {
    for (const url of [
      'http://user:hunter2@receiver.example/',
      'http://user:hunter2@[::1',
      'https://a:hunter2@b:0/',
    ])
      expect(problemOf(url)).not.toContain('hunter2');
  });

  test('or accepted, but never makes the check throw', () => {
    const part = fc.constantFrom(
      'http://',
      'https://',
      '[',
      ']',
      '::',
      '127.0.0.1',
      '%',
      '@',
      ':',
      '/',
      '#',
      '\\',
      'ⓐ',
    );
    const text = fc.array(fc.oneof(part, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 10 });
    fc.assert(
      fc.property(text, (parts) => {
        const verdict = checkUrl(parts.join(''), publicOnly);
        expect('problem' in verdict ? verdict.problem : verdict.url).not.toBe('');
      }),
    );
  });
});

describe('a URL is accepted', () => {
  test.each([
    ['https://receiver.example/hook', 'https://receiver.example/hook'],
    ['https://receiver.example', 'https://receiver.example/'],
    ['HTTPS://Receiver.EXAMPLE:443/Hook?B=2&a=%20#part', 'https://receiver.example/Hook?B=2&a=%20'],
    ['http://receiver.example:80/', 'http://receiver.example/'],
    ['http://receiver.example:443/', 'http://receiver.example:443/'],
    ['https://receiver.example:8443/a/', 'https://receiver.example:8443/a/'],
    ['https://8.8.8.8/', 'https://8.8.8.8/'],
    ['https://[2606:4700::1111]:65535/', 'https://[2606:4700::1111]:65535/'],
    ['https://receiver.example/@user', 'https://receiver.example/@user'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
    // Its addresses are judged when it is dialled.
    ['http://127.0.0.1.nip.io/', 'http://127.0.0.1.nip.io/'],
  ])('%s, unchanged, under the key %s', (url, urlKey) => {
    expect(checkUrl(url, publicOnly)).toEqual({ url, urlKey });
  });

  test('up to 2048 characters', () => {
    const url = 'https://receiver.example/'.padEnd(MAX_URL_LENGTH, 'a');
    expect(checkUrl(url, publicOnly)).toEqual({ url, urlKey: url });
    expect(problemOf(`${url}a`)).toBe('must be at most 2048 characters, got 2049');
  });

  test('under a key that is its own key', () => {
    fc.assert(
      fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (url) => {
        const verdict = checkUrl(url, everything);
        if ('problem' in verdict) return;
        expect(checkUrl(verdict.urlKey, everything)).toEqual({ url: verdict.urlKey, urlKey: verdict.urlKey });
      }),
    );
  });

  test('that names or is the loopback, where that is allowed', () => {
    for (const url of [
      'http://localhost:8080/',
      'http://a.localhost/',
      'http://127.0.0.1:8080/',
      'http://127.1/',
      'http://[::1]/',
      'http://[::ffff:127.0.0.1]/',
    ]) {
      expect(problemOf(url, loopback)).toBe('');
    }
    expect(problemOf('http://10.0.0.1/', loopback)).not.toBe('');
  });
});

describe('an address', () => {
  test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2001:4860:4860::8888'])(
    '%s may be dialled',
    (ip) => {
      expect(checkAddress(ip, publicOnly)).toBeNull();
    },
  );

  test.each(['', 'localhost', '1.2.3', '1.2.3.4.5', '::1::', '01.2.3.4', '[::1]'])('%j is none', (ip) => {
    expect(checkAddress(ip, everything)).toBe('not an IP address');
  });

  test('with a zone is judged without it', () => {
    expect(checkAddress('fe80::1%eth0', publicOnly)).toBe('a link-local address');
    expect(checkAddress('fe80::1%eth0', createDestinationPolicy(['fe80::/10']))).toBeNull();
  });

  const bytes = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
  // Half of them in the ranges that matter: at random almost every address is public.
  const interesting = fc.oneof(
    bytes,
    fc
      .tuple(
        fc.constantFrom([127, 0], [10, 1], [172, 16], [192, 168], [169, 254], [100, 64], [0, 0], [240, 9]),
        bytes,
      )
      .map(([[a, b], [, , c, d]]): [number, number, number, number] => [a!, b!, c, d]),
  );
  const hex = (high: number, low: number) => ((high << 8) | low).toString(16);
  function embeddings([a, b, c, d]: [number, number, number, number]): string[] {
    const [high, low] = [hex(a, b), hex(c, d)];
    return [
      `::ffff:${high}:${low}`,
      `::ffff:${a}.${b}.${c}.${d}`,
      `::ffff:0:${high}:${low}`,
      `::${high}:${low}`,
      `64:ff9b::${high}:${low}`,
      `64:ff9b:1::${high}:${low}`,
      `2002:${high}:${low}::1`,
      `2001:0:808:808:0:0:${hex(a ^ 255, b ^ 255)}:${hex(c ^ 255, d ^ 255)}`,
    ];
  }

  test('of IPv4 that is refused is refused inside every IPv6 address that carries it', () => {
    fc.assert(
      fc.property(interesting, (v4) => {
        if (checkAddress(v4.join('.'), publicOnly) === null) return;
        for (const ip of embeddings(v4)) expect(checkAddress(ip, publicOnly), ip).not.toBeNull();
      }),
    );
  });

  test('of IPv4 that is refused stays refused where only the range around its IPv6 form is allowed', () => {
    const v6 = createDestinationPolicy(['::/0']);
    fc.assert(
      fc.property(interesting, (v4) => {
        if (checkAddress(v4.join('.'), publicOnly) === null) return;
        // `::` and `::1` are addresses of their own.
        if (v4[0] === 0 && v4[1] === 0 && v4[2] === 0 && v4[3] <= 1) return;
        for (const ip of embeddings(v4)) expect(checkAddress(ip, v6), ip).not.toBeNull();
      }),
    );
  });

  test('of a metadata service is refused whatever is allowed, in every form', () => {
    const services: [number, number, number, number][] = [
      [169, 254, 169, 254],
      [169, 254, 170, 2],
      [168, 63, 129, 16],
      [100, 100, 100, 200],
    ];
    for (const service of services) {
      for (const ip of [service.join('.'), ...embeddings(service)])
        expect(checkAddress(ip, everything), ip).toBe('a cloud metadata address');
    }
    // RFC 6052 with prefixes of 48, 56 and 64 bits.
    for (const ip of [
      'fd00:ec2::254',
      'fd20:ce::254',
      '64:ff9b:1:a9fe:a9:fe00::',
      '64:ff9b:1:a9:fe:a9fe::',
      '64:ff9b:1:0:a9:fea9:fe00:0',
    ])
      expect(checkAddress(ip, everything), ip).toBe('a cloud metadata address');
  });

  test('may be dialled anywhere else where everything is allowed', () => {
    for (const ip of [
      '10.0.0.1',
      '127.0.0.1',
      '::1',
      'fc00::1',
      '::ffff:10.0.0.1',
      '64:ff9b::10.0.0.1',
      '0.0.0.0',
    ])
      expect(checkAddress(ip, everything), ip).toBeNull();
  });

  test('is inside an allowed range by its first bits alone', () => {
    const toText = (bits: number) => [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
    const privateBits = fc.nat(0xffffff).map((low) => (0x0a000000 | low) >>> 0);
    fc.assert(
      fc.property(privateBits, privateBits, fc.integer({ min: 8, max: 32 }), (range, address, prefix) => {
        const policy = createDestinationPolicy([`${toText(range)}/${prefix}`]);
        const inside = (range ^ address) >>> (32 - prefix) === 0 || prefix === 0;
        expect(checkAddress(toText(address), policy) === null).toBe(inside);
      }),
    );
  });
});

describe('a range to allow', () => {
  test.each([
    ['10.0.0.1', '"10.0.0.1" is not a CIDR: write an address and a prefix length, such as "10.0.0.0/8"'],
    ['', '"" is not a CIDR: write an address and a prefix length, such as "10.0.0.0/8"'],
    [
      '10.0.0.0/8/8',
      '"10.0.0.0/8/8" is not a CIDR: write an address and a prefix length, such as "10.0.0.0/8"',
    ],
    [
      'fe80::1%eth0/64',
      '"fe80::1%eth0/64" is not a CIDR: write an address and a prefix length, such as "10.0.0.0/8"',
    ],
    ['10.0.0.0/x', '"10.0.0.0/x" is not a CIDR: write an address and a prefix length, such as "10.0.0.0/8"'],
    ['10.0.0.0/33', '"10.0.0.0/33" is not a CIDR: the prefix length must be 0 to 32, got 33'],
    ['::/129', '"::/129" is not a CIDR: the prefix length must be 0 to 128, got 129'],
  ])('must be a CIDR: %j', (cidr, message) => {
    expect(() => createDestinationPolicy(['127.0.0.0/8', cidr])).toThrow(new Error(message));
  });

  test('keeps its text', () => {
    expect(loopback.allowCidrs).toEqual(['127.0.0.0/8', '::1/128']);
  });
});
