declare module "*.css";

declare module "catalogue:ru" {
  const words: Record<string, string | Record<string, string>>;
  export default words;
}

declare module "catalogue:en" {
  const words: Record<string, string | Record<string, string>>;
  export default words;
}
