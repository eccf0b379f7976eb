import { describe, expect, it } from 'vitest';
import { readConfig, settings } from '../src/config.js';

describe('the configuration', () => {
  it('has the defaults that its table shows', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      port: 4_000,
      host: '127.0.0.1',
      publicUrl: '',
      dataDir: './data',
      algorithmsDir: './algorithms',
      webhookAllowCidrs: [],
      allowedOrigins: [],
      maxRequestBytes: 2_097_152,
      logLevel: 'info',
    });
    expect(config.workerThreads).toBeGreaterThan(0);
    expect(Object.keys(config)).toEqual(Object.keys(settings));
  });

  it('reads lists and URLs', () => {
    const config = readConfig({
      CARILLON_WEBHOOK_ALLOW_CIDRS: ' 127.0.0.0/8, ::1/128 ,',
      CARILLON_ALLOWED_ORIGINS: 'https://app.example.com',
      CARILLON_PUBLIC_URL: 'https://carillon.example.com/',
    });
    expect(config.webhookAllowCidrs).toEqual(['127.0.0.0/8', '::1/128']);
    expect(config.allowedOrigins).toEqual(['https://app.example.com']);
    expect(config.publicUrl).toBe('https://carillon.example.com');
  });

  it('reads 0 as no limit, and limits only sockets unless told to', () => {
    const limits = (env: Record<string, string>) => {
      const config = readConfig(env);
      const { accountRequestsPerSecond, accountSockets, accountRunningJobs, accountStoredMb } = config;
      return [accountRequestsPerSecond, accountSockets, accountRunningJobs, accountStoredMb];
    };
    expect(limits({})).toEqual([null, 1_000, null, null]);
    expect(limits({ CARILLON_ACCOUNT_SOCKETS: '0', CARILLON_ACCOUNT_STORED_MB: '5' })).toEqual([
      null,
      null,
      null,
      5,
    ]);
  });

  it.each([
    [{ PORT: 'http' }, 'PORT must be a whole number from 0 to 65535, got "http"'],
    [{ PORT: '-1' }, 'PORT must be a whole number from 0 to 65535, got "-1"'],
    [
      { CARILLON_WEBHOOK_ALLOW_CIDRS: '10.0.0.0/33' },
      'CARILLON_WEBHOOK_ALLOW_CIDRS must be CIDR blocks separated by commas, like 10.0.0.0/8,fd00::/8, got "10.0.0.0/33"',
    ],
    [
      { CARILLON_ALLOWED_ORIGINS: 'https://a.example/path' },
      'CARILLON_ALLOWED_ORIGINS must be origins separated by commas, like https://app.example.com, got "https://a.example/path"',
    ],
    [{ CARILLON_PUBLIC_URL: 'ftp://x' }, 'CARILLON_PUBLIC_URL must be an http or https URL, got "ftp://x"'],
    [{ CARILLON_DATA_DIR: '' }, 'CARILLON_DATA_DIR must not be empty, got ""'],
    [
      { LOG_LEVEL: 'loud' },
      'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, got "loud"',
    ],
  ])('%j is refused: %s', (env, message) => {
    expect(() => readConfig(env)).toThrow(message);
  });
});
